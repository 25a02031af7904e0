"""Rejected lines of a list: counts by reason, and samples that are safe to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blockd.errors import FeedRefused
from blockd.printable import one_line, unproved

MAX_WARNINGS = 20  # sentences kept
SAMPLES = 5  # kept per reason: enough to see the pattern, few enough for a page


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """One rejected line: its number, from 1, and its text as `unproved` returns it."""

    line: int
    text: str


@dataclass(slots=True)
class RejectReport:
    """Filled while a list is read: `lines` read so far, names `accepted`, and what was rejected, by reason.

    `skips` counts, by reason, lines that are valid and not about names, as most of an ad blocker's list; they are not
    the list's fault, and count for no limit. Blank lines, comments and a hosts file's local names are counted nowhere.
    Rejects and skips have no reason in common.
    """

    lines: int = 0
    accepted: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[RejectedLine]] = field(default_factory=dict)
    skips: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)  # about what is taken nevertheless

    @property
    def rejected(self) -> int:
        """How many were rejected, for all reasons."""
        return sum(self.counts.values())

    @property
    def skipped(self) -> int:
        """How many were skipped, for all reasons."""
        return sum(self.skips.values())

    @property
    def share(self) -> float:
        """The share of rejects among all that were meant as names, 0 to 1; 0 if there were none."""
        rejected = self.rejected
        return rejected / (rejected + self.accepted) if rejected else 0.0

    def add(self, reason: str, line: int, content: bytes) -> None:
        """Count one rejected line, or one rejected name of it; `line` is its number, from 1."""
        self._count(self.counts, reason, line, content)

    def skip(self, reason: str, line: int, content: bytes) -> None:
        """Count one line that is not about a name; `line` is its number, from 1."""
        self._count(self.skips, reason, line, content)

    def warn(self, sentence: str) -> None:
        """Note something odd about the whole list."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(sentence)

    def reasons(self) -> list[tuple[str, int]]:
        """Return the reasons of rejects with their counts, the most frequent first."""
        return _by_count(self.counts)

    def text(self) -> Iterator[str]:
        """Yield the report for people, line by line, grouped by reason."""
        yield f"{self.lines:,} lines, {self.accepted:,} accepted, {self.rejected:,} rejected ({self.share:.2%})"
        yield from self._grouped(self.counts)
        if self.skips:
            yield f"{self.skipped:,} skipped, which are not about names"
            yield from self._grouped(self.skips)
        yield from (f"warning: {sentence}" for sentence in self.warnings)

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON values; `from_json` reads it back."""
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "reasons": self._to_json(self.counts),
            "skipped": self.skipped,
            "skip_reasons": self._to_json(self.skips),
            "warnings": self.warnings,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> RejectReport:
        """Return the report that `to_json` wrote; raises FeedRefused("fault") for anything else."""
        report = cls()
        try:
            report.lines, report.accepted = _count(data["lines"]), _count(data["accepted"])
            report._take(report.counts, data["reasons"])
            report._take(report.skips, data.get("skip_reasons", {}))
            warnings = data.get("warnings", [])
            if not isinstance(warnings, list):
                raise TypeError("warnings")
            report.warnings = [one_line(str(sentence)) for sentence in warnings[:MAX_WARNINGS]]
        except (KeyError, TypeError) as error:
            raise FeedRefused("fault", "A reject report cannot be read back; nothing of the list is taken.") from error
        return report

    def _count(self, counts: dict[str, int], reason: str, line: int, content: bytes) -> None:
        count = counts.get(reason, 0) + 1
        counts[reason] = count
        if count <= SAMPLES:
            self.samples.setdefault(reason, []).append(RejectedLine(line, unproved(content)))

    def _grouped(self, counts: Mapping[str, int]) -> Iterator[str]:
        for reason, count in _by_count(counts):
            yield f"{reason}: {count:,}"
            for sample in self.samples.get(reason, ()):
                yield f"  line {sample.line}: {sample.text}"

    def _to_json(self, counts: Mapping[str, int]) -> dict[str, object]:
        return {
            reason: {
                "count": count,
                "samples": [{"line": sample.line, "text": sample.text} for sample in self.samples.get(reason, ())],
            }
            for reason, count in _by_count(counts)
        }

    def _take(self, counts: dict[str, int], reasons: object) -> None:
        if not isinstance(reasons, dict):
            raise TypeError("reasons")
        for reason, fields in reasons.items():
            counts[str(reason)] = _count(fields["count"])
            self.samples[str(reason)] = [
                RejectedLine(_count(sample["line"]), unproved(str(sample["text"])))
                for sample in fields["samples"][:SAMPLES]
            ]


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _count(value: object) -> int:
    if type(value) is not int:
        raise TypeError("expected an integer")
    return value
