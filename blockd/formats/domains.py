r"""A list with one domain name per line, read at the speed that ten million lines need.

Almost every line of a published list is a plain lower-case name, and almost every other line has an octet that no name
has, or two adjacent dots. So a whole block of lines is searched for those at once; the lines found
are parsed one by one, and the lines between them are only split and joined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blockd.errors import BadName
from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.canonical import MAX_NAME_TEXT
from blockd.formats.decoration import hides_part_of_page, host_of
from blockd.formats.line import DOTLESS, TinyLines, entry_key, idle_end, line_content
from blockd.formats.rejects import RejectReport
from blockd.formats.taking import LineTaker
from blockd.formats.text_format import Listed, TextFormat, read_list
from blockd.names import MAX_LABEL, DomainName
from blockd.orders import Action, Scope

_LINE_FEED = ord("\n")
_LENGTH = [bytes((length,)) for length in range(64)]  # a label over 63 octets is an IndexError, and the line is parsed
_MAX_TOPS = 4096  # top-level domains cached: there are 1,500; a hostile list makes it slower, not larger

# The shape of a block: a dot for what separates labels, NUL for octets that no plain name has.
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHAPES = {**dict.fromkeys(_PLAIN, ord("a")), ord("\n"): ord("."), ord("."): ord(".")}
_SHAPE = bytes(_SHAPES.get(octet, 0) for octet in range(256))
_TINY = TinyLines()
_IDLE_RUN = re.compile(
    rb"\n[ \t]{0,8}(?:[#;!][^\n]*)?\r?\n[ \t]{0,8}(?:[#;!][^\n]*)?\r?\n"
)  # two lines that hold nothing
_ODD_SHAPES = (b"\0", b"..")  # also blank lines, and a dot that begins or ends a line


class Domains(TextFormat):
    """One name a line, however it is decorated."""

    name = "domains"
    description = "A text list, one name a line."
    scope = Scope.BOTH
    has_line_changes = True

    def keys(self, blocks: Iterable[bytes], rejects: RejectReport, source: str) -> Iterator[bytes]:
        """Return the iterator of `read_domains`."""
        return read_domains(blocks, rejects)

    def line_keys(self, line: bytes, number: int, rejects: RejectReport) -> list[bytes]:
        """Return the key of the name in one line."""
        key = line_key(line, number, rejects)
        return [] if key is None else [key]

    def listings(
        self,
        path: Path,
        rejects: RejectReport,
        max_size: int,
        scope: Scope,
        action: Action,
        progress: Progress | None = None,
        source: str = "",
    ) -> list[Listed]:
        """Return all names, as `DomainLines`."""
        return [Listed(action, scope, DomainLines(path, rejects, max_size, progress, source))]


@dataclass(frozen=True, slots=True)
class DomainLines:
    """The names of a list with one on each line, as `Lines`: whole blocks for a builder that can parse them.

    Both ways yield the same names, fill `rejects` in the same way, and raise as `read_list` does.
    """

    path: Path
    rejects: RejectReport
    max_size: int
    progress: Progress | None = None
    source: str = ""  # as `open_body` takes it

    def __iter__(self) -> Iterator[bytes]:
        """Yield the names' keys."""
        return read_list(Domains(), self.path, self.rejects, self.max_size, self.progress, self.source)

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        """Add all names to `taker`; yield now and then how many were added so far."""
        with open_body(self.path, self.max_size, self.progress, self.source) as pieces:
            yield from add_domains(read_blocks(pieces, self.rejects), self.rejects, taker)


def read_domains(blocks: Iterable[bytes], rejects: RejectReport) -> Iterator[bytes]:
    """Yield the key of every name, in order, with repetitions; lines that are not valid are counted in `rejects` only.

    Each block holds whole lines with their line feeds, as `read_blocks` yields them. The lines and names counted in
    `rejects` are complete at the end of each block.
    """
    tops: dict[bytes, bytes] = {}  # a top label -> the beginning of a key that has it
    for block in blocks:
        number, accepted = rejects.lines, rejects.accepted
        for plain, run in _runs(block):
            if plain is None:
                number += run.count(b"\n")
                continue
            before = number
            exact: list[bytes] = []
            for line in (run.lower() if plain else run).split(b"\n"):
                number += 1
                key = _plain_key(line, tops) if plain else None
                if key is None:
                    exact = exact or run.split(b"\n")
                    key = line_key(exact[number - before - 1], number, rejects)
                    if key is None:
                        continue
                    if len(tops) < _MAX_TOPS:
                        top = key[: 1 + key[0]]
                        tops[top[1:]] = top
                accepted += 1
                yield key
        rejects.lines, rejects.accepted = number, accepted


def add_domains(blocks: Iterable[bytes], rejects: RejectReport, taker: LineTaker) -> Iterator[int]:
    """Add every name to `taker`, which parses the plain lines, and yield the number so far after each block.

    The names, their order and what is counted in `rejects` are those of `read_domains`.
    """
    for block in blocks:
        at = 0
        while at < len(block):
            at, taken = taker.add_lines(block, at)
            rejects.lines += taken
            rejects.accepted += taken
            idle = idle_end(block, at)
            if idle > at:
                rejects.lines += block.count(b"\n", at, idle)
                at = idle
            elif at < len(block):
                end = block.index(b"\n", at)
                rejects.lines += 1
                key = line_key(block[at:end].removesuffix(b"\r"), rejects.lines, rejects)
                if key is not None:
                    rejects.accepted += 1
                    taker.add_keys((key,))
                at = end + 1
        yield rejects.accepted


def read_names(blocks: Iterable[bytes], rejects: RejectReport) -> Iterator[list[bytes]]:
    r"""Yield the names of each block as text in lower-case A-labels, without trailing dots.

    The names, their order and what is counted in `rejects` are those of `read_domains`, but for names with `\DDD`,
    which the text of an order's list may not have: they are rejected as `bad character`.
    """
    tops: set[bytes] = set()
    for block in blocks:
        number = rejects.lines
        names: list[bytes] = []
        for plain, run in _runs(block):
            if plain is None:
                number += run.count(b"\n")
                continue
            before = number
            exact: list[bytes] = []
            for line in (run.lower() if plain else run).split(b"\n"):
                number += 1
                _, dot, top = line.rpartition(b".")
                if plain and dot and top in tops and len(line) <= MAX_LABEL:  # so no label can be too long
                    names.append(line)
                    continue
                exact = exact or run.split(b"\n")
                key = line_key(exact[number - before - 1], number, rejects)
                if key is not None:
                    name = DomainName(key).text.encode()
                    if b"\\" in name:
                        rejects.add("bad character", number, exact[number - before - 1])
                        continue
                    names.append(name)
                    if len(tops) < _MAX_TOPS:
                        tops.add(key[1 : 1 + key[0]])
        rejects.lines = number
        rejects.accepted += len(names)
        yield names


def _plain_key(line: bytes, tops: dict[bytes, bytes], length: list[bytes] = _LENGTH) -> bytes | None:
    """Return the key of a line that looks like a plain name, or None if the line has to be parsed."""
    labels = line.split(b".")
    try:
        if len(labels) == 2:  # the two most frequent forms, without a loop
            name, top = labels
            return tops[top] + length[len(name)] + name
        if len(labels) == 3:
            host, name, top = labels
            return tops[top] + length[len(name)] + name + length[len(host)] + host
        if len(labels) == 1 or len(line) > MAX_NAME_TEXT:
            return None
        key = tops[labels.pop()]
        labels.reverse()
        return key + b"".join([length[len(label)] + label for label in labels])
    except (IndexError, KeyError):
        return None


def line_key(line: bytes, number: int, rejects: RejectReport) -> bytes | None:
    """Parse one line: return its key, or None for a line without a name, which is counted unless it holds nothing.

    A name may have any of the decorations that `host_of` knows.
    """
    if number > 1 and len(line) <= MAX_LABEL:  # two forms of junk that a list may have millions of
        reason = _TINY.reason(line) or ("no dot" if DOTLESS.fullmatch(line) else None)
        if reason is not None:
            rejects.add(reason, number, line)
            return None
    try:
        content = line_content(line, number)
        if not content:
            return None
        if hides_part_of_page(line):
            raise BadName("adblock rule")
        name = host_of(content)
        return entry_key(name) if name else None
    except BadName as error:
        if number > 1:
            _TINY.note(line, error.reason)
        rejects.add(error.reason, number, line)
        return None


def _runs(block: bytes) -> Iterator[tuple[bool | None, bytes]]:
    """Cut a block into runs of plain lines (True), single lines to be parsed (False), and runs without a name (None).

    The latter have their line feeds, of the others the last is left out. Not every line without a name is in one.
    """
    at = 0
    while idle := _IDLE_RUN.search(block, at):
        start = idle.start() + 1
        yield from _runs_of(block[at:start])
        at = idle_end(block, start)
        yield None, block[start:at]
    yield from _runs_of(block[at:])


def _runs_of(block: bytes) -> Iterator[tuple[bool, bytes]]:
    if b"\r\n" in block:
        block = block.replace(b"\r\n", b"\n")
    text = b"\n" + block  # so that the first line begins as all others do
    start = 1
    for odd_start, odd_end in sorted(_odd_lines(text).items()):
        if start < odd_start:
            yield True, text[start : odd_start - 1]
        yield False, text[odd_start:odd_end]
        start = odd_end + 1
    if start < len(text):
        yield True, text[start:-1]


def _odd_lines(text: bytes) -> dict[int, int]:
    """Return the lines that cannot be plain names: where each begins -> where its line feed is."""
    shape = text.translate(_SHAPE)
    found = {}
    for odd in _ODD_SHAPES:
        at = shape.find(odd, 0)
        while 0 <= at < len(text) - 1:
            if text[at] == _LINE_FEED:  # the line after it is the odd one
                at += 1
            end = text.find(b"\n", at)
            found[text.rfind(b"\n", 0, at) + 1] = end
            at = shape.find(odd, end)
    return found
