"""When a child that has ended is started again: at once, unless it ends again and again soon after its start."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from blockd.daemon.processes.children import Role

QUICK_DEATH = 1.0  # seconds; a child that has lived for so long is started again at once
FIRST_DELAY = 0.1  # seconds before the third start in a row; each further one waits twice as long
LOG_EVERY = 60.0  # seconds between two lines about a child that cannot be started
LAST_DELAY = 30.0  # seconds, at most

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Restarts:
    """The children to start again, and how often each role has ended since the start, by how."""

    _due: list[tuple[float, Role]] = field(default_factory=list)  # by the monotonic clock
    _quick: dict[Role, int] = field(default_factory=dict)  # deaths in a row that came soon after a start
    _told: dict[Role, float] = field(default_factory=dict)  # when it may be logged again that a role cannot be started
    totals: dict[str, int] = field(default_factory=dict)  # by the kind of child

    def ended(self, role: Role, lived: float, now: float) -> float:
        """Note that a child has ended; return the seconds until it is started again."""
        self.totals[role.kind] = self.totals.get(role.kind, 0) + 1
        if lived >= QUICK_DEATH:
            self._quick.pop(role, None)
            delay = 0.0
        else:
            count = self._quick[role] = self._quick.get(role, 0) + 1
            delay = 0.0 if count == 1 else min(FIRST_DELAY * 2.0 ** min(count - 2, 16), LAST_DELAY)
        self._due.append((now + delay, role))
        return delay

    def in_a_row(self, role: Role) -> int:
        """Return how often a child has ended soon after its start, one time after the other."""
        return self._quick.get(role, 0)

    def later(self, role: Role, now: float, error: OSError) -> None:
        """Have a child that could not be started tried again; that is logged now and then."""
        self._due.append((now + QUICK_DEATH, role))
        if now >= self._told.get(role, now):
            self._told[role] = now + LOG_EVERY
            log.error("The %s process cannot be started (%s); it is tried again.", role.name, error.strerror)

    def seconds(self, now: float) -> float | None:
        """Return the seconds until the next is due; None if none is."""
        return max(0.0, min(at for at, _ in self._due) - now) if self._due else None

    def due(self, now: float) -> list[Role]:
        """Return, once, those that are due."""
        due = [role for at, role in self._due if at <= now]
        self._due = [(at, role) for at, role in self._due if at > now]
        return due
