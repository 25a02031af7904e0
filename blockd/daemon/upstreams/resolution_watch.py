"""The one place that looks at the machine while a daemon runs: resolv.conf each second, addresses each minute.

What it sees goes to the supervisor, which starts workers with it, and by it to the workers that run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from blockd.daemon.switching import Sender
from blockd.daemon.timing import Timing
from blockd.daemon.upstreams.news import tell
from blockd.resolver.machine.observation import Observation
from blockd.resolver.machine.system import System
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings

LOOK = 1.0  # seconds between two looks at the file's stamp
AGAIN = 60.0  # seconds after which all is looked at and told again: addresses come and go, a message may be lost


class ResolutionWatch:
    """How names are resolved now."""

    def __init__(
        self,
        settings: Settings,
        resolution: Resolution,
        sender: Sender,
        timing: Timing,
        system: System | None = None,
    ) -> None:
        self.resolution = resolution
        self._settings = settings
        self._sender = sender
        self._timing = timing
        self._system = system or System()
        self._stamp: object = None  # never that of a file: the first look is a whole one
        self._looked = timing.monotonic()
        self._led_back: tuple[str, ...] = ()
        self._listeners: list[Callable[[Resolution], None]] = []

    def listen(self, changed: Callable[[Resolution], None]) -> None:
        """Have `changed` called whenever names are resolved in another way."""
        self._listeners.append(changed)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            if self._is_due():
                await self.look()
            await self._timing.sleep(LOOK)

    async def look(self) -> None:
        """Look at the machine now; nothing else waits for its disk."""
        self._looked = self._timing.monotonic()
        before = self.resolution.observation
        seen = await asyncio.to_thread(Observation.of, self._settings, self._system, before.name_servers)
        self._take(replace(seen, led_back=self._led_back))

    def note_led_back(self, addresses: tuple[str, ...]) -> None:
        """Leave out the upstreams at these addresses: their questions come back to blockd."""
        if addresses != self._led_back:
            self._led_back = addresses
            self._take(replace(self.resolution.observation, led_back=addresses))

    def _is_due(self) -> bool:
        stamp = _stamp(self._system.resolv_conf) if self.resolution.follows_system else ()
        is_due = stamp != self._stamp or self._timing.monotonic() - self._looked >= AGAIN
        self._stamp = stamp
        return is_due

    def _take(self, seen: Observation) -> None:
        """Resolve by what was seen from now on; workers are told in any case."""
        before = self.resolution
        self._sender.send({"resolution": seen.to_message()})
        if seen == before.observation:
            return
        self.resolution = Resolution.by(self._settings, seen)
        tell(before, self.resolution)
        for changed in self._listeners:
            changed(self.resolution)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what differs once a file was written or replaced; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
