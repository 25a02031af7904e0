"""A text list in a file, from its bytes to the keys of its names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blockd.errors import FeedRefused
from blockd.feeds.transfer.content import open_zone
from blockd.formats.adblock import read_adblock
from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.domains import add_domains, read_domains
from blockd.formats.hosts import read_hosts
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.rules import Answer, RpzRules
from blockd.formats.rpz.zone import ZoneText
from blockd.formats.taking import LineTaker
from blockd.orders import Scope

Kind = Literal["domains", "hosts", "adblock"]
_READERS = {"domains": read_domains, "hosts": read_hosts}


def read_list(
    kind: Kind, path: Path, rejects: RejectReport, max_size: int, progress: Progress | None = None
) -> Iterator[bytes]:
    """Give the keys of all names in the list at `path`, in its order, with repetitions, and fill `rejects`.

    Raises FeedRefused with the reasons of `open_body` and `read_blocks`, and `empty` where not one name was accepted.
    It may raise after the last name was given: nothing of a list counts before its reading has ended without an error.
    """
    with open_body(path, max_size, progress) as pieces:
        blocks = read_blocks(pieces, str(path))
        if kind == "adblock":
            yield from read_adblock(blocks, rejects, str(path))
        else:
            yield from _READERS[kind](blocks, rejects)
    _refuse_nameless(path, rejects)


def read_scopes(
    path: Path, rejects: RejectReport, max_size: int, progress: Progress | None = None
) -> dict[bytes, Scope]:
    """Give the key of every name in the ad blocker's list at `path`, with its scope; raises as `read_list` does."""
    with open_body(path, max_size, progress) as pieces:
        listed = read_adblock(read_blocks(pieces, str(path)), rejects, str(path))
    _refuse_nameless(path, rejects)
    return listed


def keys_of_line(kind: Kind, line: bytes) -> set[bytes]:
    """Give the keys of the names in one line, which comes without its line feed; none where it is rejected."""
    if kind == "adblock":
        return set(read_adblock([line + b"\n"], RejectReport(), ""))
    return set(_READERS[kind]([line + b"\n"], RejectReport()))


@dataclass(frozen=True, slots=True)
class DomainLines:
    """The names of a list with one on each line, as `Lines`: whole blocks for a builder that can read them.

    Both ways give the same names, fill `rejects` in the same way, and raise as `read_list` does.
    """

    path: Path
    rejects: RejectReport
    max_size: int

    def __iter__(self) -> Iterator[bytes]:
        """Give the names' keys."""
        return read_list("domains", self.path, self.rejects, self.max_size)

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        """Add all names to `taker`; give now and then how many it was so far."""
        with open_body(self.path, self.max_size) as pieces:
            yield from add_domains(read_blocks(pieces, str(self.path)), self.rejects, taker)
        _refuse_nameless(self.path, self.rejects)


def read_zone(
    path: Path,
    rejects: RejectReport,
    max_size: int,
    *,
    zone: bytes | None = None,
    override: Answer | None = None,
    progress: Progress | None = None,
) -> RpzRules:
    """Give the rules of the policy zone in the file at `path`, and fill `rejects`; see `ZoneText` for `zone`.

    Raises FeedRefused with the reasons of `open_body`, `read_blocks` and `ZoneText`, and `empty` where it has no rule.
    """
    with open_body(path, max_size, progress) as pieces:
        return _zone_rules(read_blocks(pieces, str(path)), path, RpzRules(rejects, override), zone)


def read_transferred(journal: Path, rejects: RejectReport, *, zone: bytes, override: Answer | None = None) -> RpzRules:
    """Give the rules of the zone that was transferred to `journal`; raises FeedRefused as `open_zone`, and `empty`."""
    with open_zone(journal) as pieces:
        return _zone_rules(pieces, journal, RpzRules(rejects, override), zone)


def _zone_rules(blocks: Iterable[bytes], path: Path, rules: RpzRules, zone: bytes | None) -> RpzRules:
    ZoneText(rules, zone).read(blocks, str(path))
    rules.finish()
    _refuse_nameless(path, rules.rejects)
    return rules


def _refuse_nameless(path: Path, rejects: RejectReport) -> None:
    if not rejects.accepted:
        raise FeedRefused(
            "empty",
            f"{path} holds no name in {rejects.lines:,} lines, of which {rejects.rejected:,} were rejected: "
            "nothing of it is taken. Is it really a list of this type?",
        )
