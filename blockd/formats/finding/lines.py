"""Finding the lines of many entries in one pass over a list: a text list, or a policy zone's file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from pathlib import Path

from blockd.errors import BadName, FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.body import open_body
from blockd.formats.finding.line import MAX_READ, Line, find_line, written_otherwise
from blockd.formats.line import BOM
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.reading import apex_of, zone_rules
from blockd.formats.rpz.rules import RpzRules
from blockd.formats.rpz.triggers import trigger_of
from blockd.formats.text_format import TextFormat
from blockd.names import MAX_LABEL, DomainName
from blockd.orders import Action
from blockd.printable import unproved

# What stands between the names of a list's lines, in lower case; a dot at the end of a name, or before it, is left out.
_BETWEEN = re.compile(rb"\.?[^a-z0-9_.\x80-\xff-]+\.*")


# A line that is one name: most of a large list.
_PLAIN = re.compile(rb"[a-z0-9_\x80-\xff-](?:[a-z0-9_.\x80-\xff-]*[a-z0-9_\x80-\xff-])?")
FEW = 8  # entries that are found faster one by one


def find_lines(
    form: TextFormat, path: Path, keys: Iterable[bytes], max_size: int, action: Action | None = None
) -> dict[bytes, Line]:
    """Return the first line of the list at `path` that names each of some keys, as far as there is one.

    The text is split into what may be names, and those that are looked for are met by their spelling in ASCII or
    Unicode. A line with one is then parsed as the feed parses it; lines that spell a name in another way are read as
    `find_line` does. Empty if the list cannot be read. `action` is as in `find_line`.
    """
    keys = list(keys)
    if len(keys) <= FEW:
        lines = {key: find_line(form, path, key, max_size, action=action) for key in keys if key[0] <= MAX_LABEL}
        return {key: line for key, line in lines.items() if line is not None}
    return _found_at_once(form, path, keys, max_size, action)


def _found_at_once(
    form: TextFormat, path: Path, keys: Iterable[bytes], max_size: int, action: Action | None = None
) -> dict[bytes, Line]:
    wanted: dict[bytes, bytes] = {}
    for key in keys:
        if key[0] <= MAX_LABEL:
            name = DomainName(key)
            for text in (name.text.encode(), name.spelling.encode()):
                wanted |= {text: key, BOM + text: key}
    found: dict[bytes, Line] = {}
    before = 0
    try:
        with open_body(path, max_size) as pieces:
            for block in read_blocks(pieces):
                if not wanted.keys().isdisjoint(_BETWEEN.split(b"\n" + block.lower())):
                    _look(form, block, before, wanted, found, action)
                    if not wanted:
                        break
                before += block.count(b"\n")
        if wanted:
            _look_otherwise(form, path, max_size, set(wanted.values()), found, action)
    except FeedRefused:
        return {}
    return found


def _look_otherwise(
    form: TextFormat, path: Path, max_size: int, wanted: Set[bytes], found: dict[bytes, Line], action: Action | None
) -> None:
    """Take the first MAX_READ lines that may spell names in another way."""
    before = read = 0
    with open_body(path, max_size) as pieces:
        for block in read_blocks(pieces):
            number, counted = before + 1, 0
            for start, end in written_otherwise(block):
                number, counted = number + block.count(b"\n", counted, start), start
                for key in wanted & form.keys_of_line(block[start:end], action=action):
                    found.setdefault(key, Line(number, unproved(block[start:end].strip())))
                read += 1
                if read == MAX_READ:
                    return
            before += block.count(b"\n")


def _look(
    form: TextFormat,
    block: bytes,
    before: int,
    wanted: dict[bytes, bytes],
    found: dict[bytes, Line],
    action: Action | None,
) -> None:
    """Take the lines of a block, whose first is number `before` plus one; what is found is no longer wanted."""
    for number, line in enumerate(block.split(b"\n"), before + 1):
        folded = line.lower()
        if _PLAIN.fullmatch(folded) and folded not in wanted:
            continue
        texts = wanted.keys() & set(_BETWEEN.split(b"\n" + folded + b"\n"))
        if not texts:
            continue
        named = form.keys_of_line(line, action=action)
        for text in texts:
            key = wanted[text]
            if key in named:
                found.setdefault(key, Line(number, unproved(line.strip())))
        for text in [text for text in texts if wanted[text] in found]:
            del wanted[text]


def find_rules(path: Path, keys: Iterable[bytes], max_size: int, zone: bytes | None) -> dict[bytes, Line]:
    """Return the first record of a policy zone's file that makes a rule for each of some keys, as far as there is one.

    Empty if the file cannot be read.
    """
    rules = _Finder(frozenset(keys))
    try:
        apex = apex_of(path, zone, max_size, str(path))
        with open_body(path, max_size) as pieces:
            zone_rules(read_blocks(pieces), str(path), rules, apex)
    except FeedRefused:
        return {}
    return rules.found


class _Finder(RpzRules):
    """Rules of which only the lines of some are kept."""

    def __init__(self, keys: frozenset[bytes]) -> None:
        super().__init__(RejectReport())
        self._keys = keys
        self.found: dict[bytes, Line] = {}

    def add(self, owner: bytes, rtype: int, ttl: int, rdata: bytes, line: int, shown: bytes = b"") -> None:
        """Note the line of a record that is looked for."""
        self.rejects.accepted += 1
        if not owner:
            super().add(owner, rtype, ttl, rdata, line, shown)
            return
        try:
            key, _ = trigger_of(owner)
        except BadName:
            return
        if key in self._keys and key not in self.found:
            self.found[key] = Line(line, unproved(shown.strip() or DomainName(owner).text.encode()))
