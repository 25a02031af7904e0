"""What a story in fast motion came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """What a story came to: how much, how late at most, and the octets on disk after each step."""

    publications: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)  # of the state folder, without kept versions and the audit log
    versions: list[int] = field(default_factory=list)  # how many are kept
    logs: list[int] = field(default_factory=list)  # of the audit log

    def __str__(self) -> str:
        late, half = sorted(self.latencies), len(self.sizes) // 2
        return "; ".join((
            f"{self.publications} publications",
            f"{len(late)} orders and liftings, in force after {late[len(late) // 2]:.1f} s at the median",
            f"{late[-1]:.1f} s at most",
            f"state folder: at most {max(self.sizes[:half]):,} octets in the first half",
            f"{max(self.sizes[half:]):,} in the second",
            f"at most {max(self.versions)} versions kept",
            f"audit log: {self.logs[half]:,} octets at half time",
            f"{self.logs[-1]:,} at the end",
            f"faults: {dict(sorted(self.faults.items()))}",
        ))  # fmt: skip
