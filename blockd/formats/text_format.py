"""The interface of text formats: how lines are parsed, and what the config says about them.

A format is one object. Adding one takes a module with a `TextFormat`, and a line in `blockd.formats.text_formats`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.rejects import RejectReport
from blockd.names import DomainName
from blockd.orders import Action, Scope


class Listed(NamedTuple):
    """Names of a list by their keys, which may be `blockd.formats.taking.Lines`, with what is done with them."""

    action: Action
    scope: Scope
    keys: Iterable[bytes]


class TextFormat(ABC):
    """One text format, with the properties by which the rest of blockd tells formats apart."""

    name: ClassVar[str]  # the `type` of a feed
    description: ClassVar[str]  # one sentence, for the reference
    scope: ClassVar[Scope | None]  # what a name covers unless the config says otherwise; None if each rule says it
    counted: ClassVar[tuple[str, str]] = "name", "names"  # what it lists, one and several
    has_line_changes: ClassVar[bool] = False  # whether `blockd.formats.changes` can compare two versions
    is_streamed: ClassVar[bool] = True  # whether names come while the list is read, not after its end

    @abstractmethod
    def keys(self, blocks: Iterable[bytes], rejects: RejectReport, source: str) -> Iterable[bytes]:
        """Return the keys of all names, in order, with repetitions; lines that are not valid are counted in `rejects`.

        Each block holds whole lines with their line feeds, as `read_blocks` yields them. `source` names the list in
        refusals.
        """

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
        """Return the names in the list at `path`, by what is done with them and what they cover.

        `scope` and `action` are the config's. Raises FeedRefused as `read_list` does, perhaps not before the keys are
        read; `rejects` is complete after that.
        """
        return [Listed(action, scope, read_list(self, path, rejects, max_size, progress, source))]

    def line_keys(self, line: bytes, number: int, rejects: RejectReport) -> Sequence[bytes]:
        """Return the keys of one line, which has no line feed; a line that is not valid is counted in `rejects`.

        `number` counts from 1. A format with `has_line_changes` must not depend on the lines before.
        """
        report = RejectReport()
        keys = list(self.keys([line + b"\n"], report, ""))
        for reason in report.counts:
            rejects.add(reason, number, line)
        return keys

    def spellings(self, key: bytes) -> set[bytes] | None:
        """Return texts of which a line that names `key` has one, in lower case; None if every line may name it.

        Lines outside of ASCII, and with escapes, have other ways to write a name.
        """
        name = DomainName(key)
        return {name.text.encode(), name.spelling.encode()}

    def keys_of_line(self, line: bytes, scope: Scope = Scope.BOTH, action: Action | None = None) -> set[bytes]:
        """Return the keys of the names in one line, which has no line feed; an empty set if it is rejected.

        Where lines say what they cover, of names of which the line covers part of `scope`; where they say what is done,
        of those with `action`.
        """
        return set(self.keys([line + b"\n"], RejectReport(), ""))


def read_list(
    form: TextFormat,
    path: Path,
    rejects: RejectReport,
    max_size: int,
    progress: Progress | None = None,
    source: str = "",
) -> Iterator[bytes]:
    """Yield the keys of all names in the list at `path`, in order, with repetitions, and fill `rejects`.

    `source` names the list in refusals; if empty, its path does. Raises FeedRefused with the reasons of `open_body` and
    `read_blocks`. It may raise after the last name: nothing of a list counts before it was read to its end without an
    error. A list without any name is read like others; whether it may be empty is for the gate to say.
    """
    source = source or str(path)
    with open_body(path, max_size, progress, source) as pieces:
        yield from form.keys(read_blocks(pieces, rejects), rejects, source)
