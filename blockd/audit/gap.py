"""A time in which the audit log could not be written, and the file that tells of it after a restart.

audit.alive    when this blockd was last seen alive, and since when nothing could be written, if it could not
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockd.files import read_kept
from blockd.times import moment_from_text, moment_text

ALIVE = "audit.alive"
MAX_ALIVE = 64  # octets of the file: two moments
UNKNOWN = "the process that had them ended before they could be written"


@dataclass(slots=True)
class Gap:
    """Since when nothing could be written, and why; `is_lost` if that was before a restart, which kept no record."""

    since: float  # seconds since the epoch
    why: str
    is_lost: bool = False
    without_evidence: int = 0  # records whose evidence found no room in memory

    @classmethod
    def read(cls, folder: Path) -> Gap | None:
        """Return the gap in which the blockd before has ended; None if it has not, or that is not known."""
        times = _times(folder)
        return cls(times[1], UNKNOWN, is_lost=True) if len(times) > 1 else None

    def told(self, until: float, late: int, lost: int) -> dict[str, object]:
        """Return the body of the record: how many records come late, and how many are lost, if that is known."""
        return {
            "since": moment_text(self.since),
            "until": moment_text(until),
            "why": self.why,
            "late": 0 if self.is_lost else late,
            "lost": None if self.is_lost else lost,
            "without_evidence": self.without_evidence,
        }


def life_text(now: float, gap: Gap | None) -> bytes:
    """Return what is written over the file: always the same number of octets, so that it needs no more room."""
    moments = [moment_text(now)] if gap is None else [moment_text(now), moment_text(gap.since)]
    return " ".join(moments).encode().ljust(MAX_ALIVE)


def read_alive(folder: Path) -> float | None:
    """Return when a blockd was last seen alive, seconds since the epoch; None if it is not known."""
    times = _times(folder)
    return times[0] if times else None


def _times(folder: Path) -> list[float]:
    try:
        return [moment_from_text(word) for word in read_kept(folder / ALIVE, MAX_ALIVE).decode("ascii").split()[:2]]
    except (OSError, ValueError):
        return []
