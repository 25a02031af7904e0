"""What was asked of a primary, and why each of the tries gave nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from blockd.errors import FeedRefused, FeedUnreachable

IN_VAIN = ("key", "clock")  # reasons for which asking in another way gives the same


@dataclass(slots=True)
class Tries:
    """The tries at one primary in one poll that failed, in their order, each with what was asked."""

    primary: str
    failed: list[tuple[str, FeedRefused]] = field(default_factory=list)

    def note(self, asked: str, refused: FeedRefused) -> None:
        """Note that a question was refused; the refusal's text is a clause."""
        self.failed.append((asked, refused.kept()))

    @property
    def reason(self) -> str:
        """Why it came to nothing: of the last try that reached the primary."""
        reasons = [refused.reason for _, refused in self.failed]
        return next((reason for reason in reversed(reasons) if reason != "unreachable"), "unreachable")

    def __str__(self) -> str:
        """Each question with its answer; where several in a row have the same, it is said once."""
        told = []
        for clause, group in groupby(self.failed, key=lambda one: str(one[1]).removesuffix(".")):
            *before, last = (asked for asked, _ in group)
            told.append(f"{', '.join(before)} and {last}: {clause}" if before else f"{last}: {clause}")
        return "; ".join(told)


def refused_by(zone: str, tries: Sequence[Tries]) -> FeedRefused:
    """Return the refusal of a zone that no primary gave, with all that was tried."""
    failed = [one for one in tries if one.failed]
    reached = [one for one in failed if one.reason != "unreachable"]
    told = "; from ".join(f"{one.primary}: {one}" for one in (*reached, *(one for one in failed if one not in reached)))
    sentence = f"The zone {zone} cannot be taken from {told}."
    return FeedRefused(reached[0].reason, sentence) if reached else FeedUnreachable(sentence)
