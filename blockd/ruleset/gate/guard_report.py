"""Which entries of a feed are held back, or reported only: counts by reason, and the entries themselves, bounded."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from blockd.errors import RulesetError
from blockd.orders import Entry, Scope

KEPT = 10_000  # entries kept per reason, the first in the order of their text; the rest is counted
SAMPLES = 5  # of them in a summary
MAX_REASON = 40  # characters of a reason that is read back


class HeldEntry(NamedTuple):
    """An entry in presentation form, and its scope as a number."""

    text: str
    scope: int = int(Scope.BOTH)


@dataclass(slots=True)
class GuardReport:
    """Filled while a feed is compiled. Of each reason, `entries` are the first of all in the order of their text.

    `enforced` says that the orders are signed, and so all entries are in force nevertheless. Entries of the reasons in
    `reported` are in force whatever the feed.
    """

    counts: dict[str, int] = field(default_factory=dict)
    entries: dict[str, list[HeldEntry]] = field(default_factory=dict)
    enforced: bool = False
    reported: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """The number of entries reported, for all reasons."""
        return sum(self.counts.values())

    @property
    def held(self) -> int:
        """The number of entries that are not in force."""
        return sum(count for reason, count in self.counts.items() if self.holds(reason))

    @property
    def samples(self) -> dict[str, list[str]]:
        """The first few entries of each reason."""
        return {reason: [entry.text for entry in found[:SAMPLES]] for reason, found in self.entries.items()}

    def holds(self, reason: str) -> bool:
        """Return whether entries of a reason are not in force."""
        return not self.enforced and reason not in self.reported

    def add(self, reason: str, key: bytes, scope: int = int(Scope.BOTH), *, reported: bool = False) -> None:
        """Report one entry by its key; `reported` says that it is in force."""
        count, entries = self.counts.get(reason, 0), self.entries.setdefault(reason, [])
        entry = HeldEntry(Entry(key).text, scope)
        self.counts[reason] = count + 1
        if reported:
            self.reported.add(reason)
        if count == len(entries) or entry < entries[-1]:  # otherwise one that is not known may come before it
            insort(entries, entry)
            del entries[KEPT:]

    def add_unless_there(
        self, reason: str, key: bytes, scope: int = int(Scope.BOTH), *, reported: bool = False
    ) -> None:
        """Report an entry that may be reported already; raises RulesetError if the entries kept do not decide that."""
        entries = self.entries.get(reason, [])
        entry = HeldEntry(Entry(key).text, scope)
        if _is_in(entries, entry):
            return
        if self.counts.get(reason, 0) > len(entries):
            raise RulesetError("it is not recorded whether an entry was held back before")
        self.add(reason, key, scope, reported=reported)

    def remove(self, reason: str, key: bytes, scope: int = int(Scope.BOTH)) -> None:
        """Remove one entry; raises RulesetError if the remaining ones cannot be derived from this report."""
        count, entries = self.counts.get(reason, 0), self.entries.get(reason, [])
        entry = HeldEntry(Entry(key).text, scope)
        is_kept = _is_in(entries, entry)
        if not is_kept and count <= len(entries):
            raise RulesetError("an entry that is no longer listed was not among those held back")
        if is_kept:
            if count > len(entries):
                raise RulesetError("an entry of those that are kept was removed, and the next one is not recorded")
            del entries[bisect_left(entries, entry)]
        self.counts[reason] = count - 1
        if count == 1:
            del self.counts[reason], self.entries[reason]
            self.reported.discard(reason)

    def copy(self) -> GuardReport:
        """Return an independent copy."""
        entries = {reason: list(found) for reason, found in self.entries.items()}
        return GuardReport(dict(self.counts), entries, self.enforced, set(self.reported))

    def sentence(self) -> str:
        """Return a sentence for the log and `blockd status`; empty if nothing is reported."""
        held, reported = self.held, self.total - self.held
        parts = []
        if held:
            parts.append(f"{_entries(held)} held back, the rest is enforced: {self._in_words(held=True)}")
        if reported:
            why = ", since the orders are signed" if self.enforced else ""
            parts.append(f"{_entries(reported)} only reported{why}: {self._in_words(held=False)}")
        return "; ".join(parts)

    def text(self) -> Iterator[str]:
        """Yield the report as lines of text, grouped by reason."""
        for reason, count in self.reasons():
            yield f"{'held back' if self.holds(reason) else 'reported'}, {reason}: {count:,}"
            yield from (f"  {name}" for name in self.samples[reason])

    def reasons(self) -> list[tuple[str, int]]:
        """Return the reasons with their counts, the most frequent first."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))

    def to_json(self) -> dict[str, object]:
        """Return a summary as JSON values; `from_json` reads it back, with the samples as entries."""
        samples = self.samples
        return {
            "held": self.held,
            "enforced": self.enforced,
            "reasons": {
                reason: {"count": count, "samples": samples[reason], "held": self.holds(reason)}
                for reason, count in self.reasons()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> GuardReport:
        """Return the report that `to_json` returned as JSON values; raises RulesetError for anything else."""
        report = cls(enforced=data.get("enforced") is True)
        try:
            reasons = data["reasons"]
            if not isinstance(reasons, dict):
                raise TypeError("reasons")
            for reason, found in reasons.items():
                entries = [HeldEntry(str(sample)) for sample in found["samples"][:SAMPLES]]
                report._take(str(reason), found["count"], entries, found.get("held") is False)
                if len(entries) != min(found["count"], SAMPLES):
                    raise TypeError("expected as many samples as there are")
        except (KeyError, TypeError, AttributeError) as error:
            raise RulesetError("a report of held entries cannot be read back") from error
        return report

    def _take(self, reason: str, count: object, entries: list[HeldEntry], reported: bool) -> None:
        """Take what was read back of one reason; raises TypeError."""
        name = reason[:MAX_REASON]
        if type(count) is not int or count < max(1, len(entries)):
            raise TypeError("expected a count")
        self.counts[name], self.entries[name] = count, entries
        if reported and not self.enforced:
            self.reported.add(name)

    def _in_words(self, *, held: bool) -> str:
        samples = self.samples
        return ", ".join(
            f"{count:,} {reason} (such as {samples[reason][0]})"
            for reason, count in self.reasons()
            if self.holds(reason) is held
        )


def _entries(count: int) -> str:
    return f"{count:,} {'entry is' if count == 1 else 'entries are'}"


def _is_in(entries: list[HeldEntry], entry: HeldEntry) -> bool:
    at = bisect_left(entries, entry)
    return at < len(entries) and entries[at] == entry
