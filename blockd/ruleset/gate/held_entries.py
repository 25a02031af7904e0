"""The entries that the gate holds back, or reports, which cover a name."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from blockd.names import label_ends
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


def covering(reports: Mapping[str, GuardReport], key: bytes) -> list[HeldClaim]:
    """Return the reported entries that cover a name, by feed, the name's own before those above it."""
    found = []
    ends = label_ends(key)
    for feed, report in reports.items():
        for end in reversed(ends):
            text = Entry(key[:end]).text
            wanted = Scope.EXACT if end == len(key) else Scope.SUBDOMAINS
            for reason, entries in report.entries.items():
                at = bisect_left(entries, HeldEntry(text, 0))
                if at < len(entries) and entries[at].text == text and entries[at].scope & wanted:
                    scope = Scope(entries[at].scope)
                    found.append(HeldClaim(feed, key[:end], scope, reason, report.holds(reason)))
    return found
