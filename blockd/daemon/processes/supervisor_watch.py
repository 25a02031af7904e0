"""Whether the supervisor still does its work, as the control process sees it: by the pulse that it shares.

While it hangs, or is stopped, what has ended is not started again, and nobody else could tell: the channels stay open.
Only time in which the control process itself ran is counted, so that a machine that paused alarms nobody.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from blockd.daemon.processes.pulse import PAUSE, SILENT, TICK, Pulse
from blockd.daemon.processes.running_time import RunningTime


class SupervisorWatch:
    """Watches the pulse of the supervisor, None for a process without one; `clock` is monotonic."""

    def __init__(self, pulse: Pulse | None, pid: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pulse = pulse
        self._pid = pid or os.getppid()
        self._time = RunningTime(PAUSE, clock)
        self._count = -1
        self._seconds = 0.0  # in which this process ran, since the supervisor has beaten

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look as long as a loop runs."""
        self.look()
        loop.call_later(TICK, self.begin, loop)

    def look(self) -> None:
        """Look whether it has beaten; to be called every `TICK` seconds."""
        ran = self._time.step()
        if self._pulse is None:
            return
        if (count := self._pulse.count) != self._count:
            self._count, self._seconds = count, 0.0
        else:
            self._seconds += ran

    @property
    def is_silent(self) -> bool:
        """Whether it does not answer."""
        return self._seconds >= SILENT

    def trouble(self) -> str:
        """Return that it does not answer, and what follows; empty if it does."""
        return f"the {self.what}; {self.remedy}" if self.is_silent else ""

    @property
    def what(self) -> str:
        """What is so while it is silent, without the article at the beginning."""
        return f"supervisor (process {self._pid}) does not answer: a process that ends is not started again"

    @property
    def remedy(self) -> str:
        """What to do then."""
        return f"if it was stopped, `kill -CONT {self._pid}` lets it go on; else restart blockd"
