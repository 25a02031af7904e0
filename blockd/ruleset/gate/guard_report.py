"""Which entries of a feed were held back, or reported only: counts by reason, and samples."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blockd.errors import RulesetError
from blockd.orders import Entry

SAMPLES = 5  # kept per reason
MAX_REASON = 40  # characters of a reason that is read back


@dataclass(slots=True)
class GuardReport:
    """Filled while a feed is compiled. `samples` are the first names in the order of their text.

    `enforced` says that the orders are signed, and so the entries are in force nevertheless.
    """

    counts: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)
    enforced: bool = False

    @property
    def total(self) -> int:
        """The number of entries reported, for all reasons."""
        return sum(self.counts.values())

    @property
    def held(self) -> int:
        """The number of entries that are not in force."""
        return 0 if self.enforced else self.total

    def add(self, reason: str, key: bytes) -> None:
        """Report one entry by its key."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        samples = self.samples.setdefault(reason, [])
        insort(samples, Entry(key).text)
        del samples[SAMPLES:]

    def add_unless_there(self, reason: str, key: bytes) -> None:
        """Report an entry that may be reported already; raises RulesetError if the samples do not decide that."""
        samples = self.samples.get(reason, [])
        if Entry(key).text in samples:
            return
        if self.counts.get(reason, 0) > len(samples):
            raise RulesetError("it is not recorded whether an entry was held back before")
        self.add(reason, key)

    def remove(self, reason: str, key: bytes) -> None:
        """Remove one entry; raises RulesetError if the remaining samples cannot be derived from this report."""
        count, samples, text = self.counts.get(reason, 0), self.samples.get(reason, []), Entry(key).text
        if text not in samples and count <= len(samples):
            raise RulesetError("an entry that is no longer listed was not among those held back")
        if text in samples:
            if count > len(samples):
                raise RulesetError("a sample of what is held back was removed, and the next one is not recorded")
            samples.remove(text)
        self.counts[reason] = count - 1
        if count == 1:
            del self.counts[reason], self.samples[reason]

    def copy(self) -> GuardReport:
        """Return an independent copy."""
        samples = {reason: list(names) for reason, names in self.samples.items()}
        return GuardReport(dict(self.counts), samples, self.enforced)

    def sentence(self) -> str:
        """Return a sentence for the log and `blockd status`; empty if nothing is reported."""
        if not self.total:
            return ""
        reasons = ", ".join(
            f"{count:,} {reason} (such as {self.samples[reason][0]})" for reason, count in self._reasons()
        )
        done = "only reported, since the orders are signed" if self.enforced else "held back, the rest is enforced"
        return f"{self.total:,} {'entry is' if self.total == 1 else 'entries are'} {done}: {reasons}"

    def text(self) -> Iterator[str]:
        """Yield the report as lines of text, grouped by reason."""
        for reason, count in self._reasons():
            yield f"{'reported' if self.enforced else 'held back'}, {reason}: {count:,}"
            yield from (f"  {name}" for name in self.samples[reason])

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON values; `from_json` reads it back."""
        return {
            "held": self.held,
            "enforced": self.enforced,
            "reasons": {reason: {"count": count, "samples": self.samples[reason]} for reason, count in self._reasons()},
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
                name, count = str(reason)[:MAX_REASON], found["count"]
                samples = [str(sample) for sample in found["samples"][:SAMPLES]]
                if type(count) is not int or count < 1 or len(samples) != min(count, SAMPLES):
                    raise TypeError("expected a count")
                report.counts[name], report.samples[name] = count, samples
        except (KeyError, TypeError) as error:
            raise RulesetError("a report of held entries cannot be read back") from error
        return report

    def _reasons(self) -> list[tuple[str, int]]:
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
