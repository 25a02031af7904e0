"""Finding the line of a policy zone's file that has the rule for an entry, by reading the zone as its feed does."""

from __future__ import annotations

from pathlib import Path

from blockd.errors import BadName, FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.body import open_body
from blockd.formats.finding.line import Line
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.reading import apex_of, zone_rules
from blockd.formats.rpz.rules import RpzRules
from blockd.formats.rpz.triggers import trigger_of
from blockd.names import is_network_key
from blockd.orders import Entry, Scope
from blockd.printable import unproved

MAX_READ = 16 << 20  # octets of a zone that is searched: about a second; the rules of a larger one have no lines
_STAR = b"\x01*"


def find_rule(path: Path, entry: Entry, zone: bytes | None) -> Line | None:
    """Return the first line with a rule for `entry` in the zone file at `path`; see `read_zone` for `zone`.

    None if there is none, if the file is larger than MAX_READ, or if it cannot be read.
    """
    try:
        apex = apex_of(path, zone, MAX_READ, str(path))
        with open_body(path, MAX_READ) as pieces:
            zone_rules(read_blocks(pieces), str(path), _Search(entry), apex)
    except _Found as found:
        return found.line
    except FeedRefused:
        return None
    return None


class _Found(Exception):
    """The rule is found."""

    def __init__(self, line: Line) -> None:
        self.line = line
        super().__init__()


class _Search(RpzRules):
    """Takes records and keeps none; raises _Found at the first for an entry."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(RejectReport())
        key, scope = entry.key, entry.scope
        self._network = key if is_network_key(key) else b""
        self._owners = {key} if scope & Scope.EXACT and not self._network else set()
        if scope & Scope.SUBDOMAINS and not self._network:
            self._owners.add(key + _STAR)

    def add(self, owner: bytes, rtype: int, ttl: int, rdata: bytes, line: int, shown: bytes = b"") -> None:
        """Take one record."""
        if owner in self._owners or (self._network and self._is_network(owner)):
            raise _Found(Line(line, unproved(shown.strip())))

    def _is_network(self, owner: bytes) -> bool:
        try:
            return owner[1:5] == b"rpz-" and trigger_of(owner)[0] == self._network
        except BadName:
            return False
