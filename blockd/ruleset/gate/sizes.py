"""The sizes that a feed had in the last days, so that a list cannot be emptied, or flooded, in small steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW = 7 * 86400  # seconds of history: a week covers the rhythm of a list's maintainers
STEP = 3600  # seconds: only the last change within a step is kept, which bounds the history to some 170 sizes
ALIKE = 0.05  # share: sizes that differ by no more count as one size, as daily changes produce them

MAX_SIZES = WINDOW // STEP + 2


@dataclass(slots=True)
class Sizes:
    """A feed's sizes with the time from which it had each, in seconds since the epoch, the oldest first.

    `limits` are those of the gate under which the sizes were accepted: if they change, the history is discarded.
    """

    known: list[tuple[int, int]] = field(default_factory=list)
    limits: tuple[float, ...] = ()

    def start(self, limits: Sequence[float]) -> None:
        """Discard the history unless it was recorded under `limits`."""
        if self.limits != tuple(limits):
            self.known, self.limits = [], tuple(limits)

    def note(self, names: int, now: float) -> None:
        """Record that the feed has `names` from `now` on."""
        at = int(now)
        self.known = [(since, size) for since, size in self.known if since <= at]  # unless the clock was set back
        if self.known and at - self.known[-1][0] < STEP:
            at = self.known.pop()[0]
        if not self.known or self.known[-1][1] != names:
            self.known.append((at, names))
        self.known = self.known[-MAX_SIZES:]

    def lasting(self, now: float) -> int | None:
        """Return the size that the feed had for longest within the window, the latest of several; None if unknown."""
        if not self.known:
            return None
        spans = []
        for (since, size), (until, _) in zip(self.known, [*self.known[1:], (int(now), 0)], strict=True):
            seconds = min(until, int(now)) - max(since, int(now) - WINDOW)
            if seconds >= 0:
                spans.append((size, seconds))
        longest, found = -1, None
        for size, _ in spans:
            seconds = sum(seconds for other, seconds in spans if abs(other - size) <= ALIKE * size)
            if seconds >= longest:
                longest, found = seconds, size
        return found

    def to_json(self) -> dict[str, object]:
        """Return the sizes as JSON values; `from_json` reads them back."""
        return {"known": self.known, "limits": self.limits}

    @classmethod
    def from_json(cls, data: object) -> Sizes:
        """Return the sizes that `to_json` returned as JSON values; raises TypeError or ValueError for anything else."""
        if not isinstance(data, dict):
            raise TypeError("sizes")
        known = [(int(since), int(size)) for since, size in data.get("known", ())]
        return cls(sorted(known)[-MAX_SIZES:], tuple(float(limit) for limit in data.get("limits", ())))
