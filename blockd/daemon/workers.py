"""The workers as the control process knows them: which are running, and which version each enforces."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from blockd.daemon.channel import Message
from blockd.daemon.timing import Timing


@dataclass(slots=True)
class Workers:
    """The workers, as known from their messages."""

    size: int
    pids: dict[int, int]  # by index, of the running ones
    enforcing: dict[int, int] = field(default_factory=dict)  # version by index, 0 for none
    _failure: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, message: Message) -> None:
        """Handle a message of the supervisor about a worker."""
        if "died" in message:
            self.pids.pop(message["died"], None)
            self.enforcing.pop(message["died"], None)
        elif "failed" in message:
            self._failure = f"worker {message['worker']} cannot enforce version {message['failed']}: {message['why']}"
        else:
            self.pids[message["worker"]] = message["pid"]
            self.enforcing[message["worker"]] = message["enforcing"]
        self._changed.set()

    def missing(self) -> list[int]:
        """Return the indices of workers that do not run."""
        return [index for index in range(self.size) if index not in self.pids]

    def behind(self, version: int) -> list[int]:
        """Return the indices of workers that do not enforce a version."""
        return [index for index in range(self.size) if self.enforcing.get(index) != version]

    def enforces(self, version: int) -> bool:
        """Return whether any worker enforces a version."""
        return version in self.enforcing.values()

    async def wait_for(self, version: int, seconds: float, timing: Timing) -> str:
        """Wait until every running worker enforces a version; return the failure, empty if there is none.

        A worker that died is not waited for: it enforces the newest version as soon as it is back.
        """
        self._failure = ""
        deadline = timing.monotonic() + seconds
        while self._late(version) and not self._failure:
            self._changed.clear()
            if not await timing.wait(self._changed, deadline - timing.monotonic()):
                return f"workers {self._late(version)} did not take version {version} in {seconds:.0f} seconds"
        return self._failure

    def _late(self, version: int) -> list[int]:
        return [index for index in self.behind(version) if index in self.pids]
