"""The entries that the gate holds back, or reports, which cover a name."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from blockd.names import address_key, client_key, is_client_key, is_network_key, label_ends
from blockd.orders import Entry, Scope
from blockd.ruleset.gate.guard_report import GuardReport, HeldEntry


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """An entry of a feed that is held back, or reported only and in force."""

    feed: str
    key: bytes
    scope: Scope
    reason: str
    is_held: bool

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "feed": self.feed,
            "entry": Entry(self.key).text,
            "scope": self.scope.text,
            "reason": self.reason,
            "held": self.is_held,
        }


def _and_above(key: bytes) -> Iterator[tuple[bytes, Scope]]:
    """Yield a name or network, and those above it, with the scope by which an entry of them covers it."""
    if is_network_key(key):
        key_of, packed = client_key if is_client_key(key) else address_key, key[2:]
        for length in range(key[1], -1, -1):
            yield key_of(packed, length), Scope.BOTH
        return
    for end in reversed(label_ends(key)):
        yield key[:end], Scope.EXACT if end == len(key) else Scope.SUBDOMAINS


def covering(reports: Mapping[str, GuardReport], key: bytes) -> list[HeldClaim]:
    """Return the reported entries that cover a name or a network, by feed, its own before those above it."""
    found = []
    above = list(_and_above(key))
    for feed, report in reports.items():
        for covers, wanted in above:
            text = Entry(covers).text
            for reason, entries in report.entries.items():
                at = bisect_left(entries, HeldEntry(text, 0))
                if at < len(entries) and entries[at].text == text and entries[at].scope & wanted:
                    scope = Scope(entries[at].scope)
                    found.append(HeldClaim(feed, covers, scope, reason, report.holds(reason)))
    return found
