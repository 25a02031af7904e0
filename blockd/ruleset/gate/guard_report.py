"""Which entries of a feed were held back, or were reported only: counts by reason, and samples."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blockd.errors import RulesetError
from blockd.names import DomainName

SAMPLES = 5  # kept per reason: enough to see the pattern, few enough for a page
MAX_REASON = 40  # characters of a reason that is read back


@dataclass(slots=True)
class GuardReport:
    """Filled while a feed is compiled. `samples` are the first names in the order of their text.

    `enforced` says that the orders are signed, and so the entries are in force all the same.
    """

    counts: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)
    enforced: bool = False

    @property
    def total(self) -> int:
        """How many entries are reported, for all reasons."""
        return sum(self.counts.values())

    @property
    def held(self) -> int:
        """How many entries are not in force because of it."""
        return 0 if self.enforced else self.total

    def add(self, reason: str, key: bytes) -> None:
        """Report one entry by its key."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        samples = self.samples.setdefault(reason, [])
        insort(samples, DomainName(key).text)
        del samples[SAMPLES:]

    def add_unless_there(self, reason: str, key: bytes) -> None:
        """Report an entry that may be reported already; raises RulesetError where this report alone cannot tell."""
        samples = self.samples.get(reason, [])
        if DomainName(key).text in samples:
            return
        if self.counts.get(reason, 0) > len(samples):
            raise RulesetError("nobody has kept whether an entry was held back before")
        self.add(reason, key)

    def remove(self, reason: str, key: bytes) -> None:
        """Take one entry out; raises RulesetError where what is left cannot be told from this report alone."""
        count, samples, text = self.counts.get(reason, 0), self.samples.get(reason, []), DomainName(key).text
        if text not in samples and count <= len(samples):
            raise RulesetError("an entry that is no longer listed was not among those held back")
        if text in samples:
            if count > len(samples):
                raise RulesetError("a sample of what is held back has gone, and nobody has kept the next")
            samples.remove(text)
        self.counts[reason] = count - 1
        if count == 1:
            del self.counts[reason], self.samples[reason]

    def copy(self) -> GuardReport:
        """Give a report that can be changed without this one."""
        samples = {reason: list(names) for reason, names in self.samples.items()}
        return GuardReport(dict(self.counts), samples, self.enforced)

    def sentence(self) -> str:
        """Give one sentence for the log and for `blockd status`, empty where nothing is reported."""
        if not self.total:
            return ""
        reasons = ", ".join(
            f"{count:,} {reason} (such as {self.samples[reason][0]})" for reason, count in self._reasons()
        )
        done = "only reported, since the orders are signed" if self.enforced else "held back, the rest is enforced"
        return f"{self.total:,} {'entry is' if self.total == 1 else 'entries are'} {done}: {reasons}"

    def text(self) -> Iterator[str]:
        """The report for people, line by line, grouped by reason."""
        for reason, count in self._reasons():
            yield f"{'reported' if self.enforced else 'held back'}, {reason}: {count:,}"
            yield from (f"  {name}" for name in self.samples[reason])

    def to_json(self) -> dict[str, object]:
        """The report as JSON values; `from_json` reads it back."""
        return {
            "held": self.held,
            "enforced": self.enforced,
            "reasons": {reason: {"count": count, "samples": self.samples[reason]} for reason, count in self._reasons()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> GuardReport:
        """Read what `to_json` gave; raises RulesetError for anything else."""
        report = cls(enforced=data.get("enforced") is True)
        try:
            reasons = data["reasons"]
            if not isinstance(reasons, dict):
                raise TypeError("reasons")
            for reason, told in reasons.items():
                name, count = str(reason)[:MAX_REASON], told["count"]
                samples = [str(sample) for sample in told["samples"][:SAMPLES]]
                if type(count) is not int or count < 1 or len(samples) != min(count, SAMPLES):
                    raise TypeError("no count")
                report.counts[name], report.samples[name] = count, samples
        except (KeyError, TypeError) as error:
            raise RulesetError("a report of held entries cannot be read back") from error
        return report

    def _reasons(self) -> list[tuple[str, int]]:
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
