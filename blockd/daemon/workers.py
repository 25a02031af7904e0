"""The workers as the control process knows them: which are running, and which version each enforces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from blockd.daemon.channel import Message
from blockd.daemon.contexts import ProcessState
from blockd.daemon.timing import Timing


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker has ended: how often in a row soon after its start, and when it is started again, in seconds."""

    how: str
    row: int
    delay: float


@dataclass(slots=True)
class Workers:
    """The workers, as known from their messages."""

    size: int
    pids: dict[int, int]  # by index, of the running ones
    enforcing: dict[int, int] = field(default_factory=dict)  # version by index, 0 for none
    silent: set[int] = field(default_factory=set)  # indices of those that do not answer the supervisor
    _deaths: dict[int, Death] = field(default_factory=dict)  # the last one, by index
    _failure: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, size: int, running: Mapping[int, ProcessState]) -> Self:
        """Return so many, of which some run."""
        enforcing = {index: one.enforcing for index, one in running.items() if one.enforcing is not None}
        return cls(size, {index: one.pid for index, one in running.items()}, enforcing)

    def heard(self, message: Message) -> None:
        """Handle a message of the supervisor about a worker."""
        index = message["worker"]
        if "died" in message:
            self.pids.pop(index, None)
            self.enforcing.pop(index, None)
            self.silent.discard(index)
            self._deaths[index] = Death(message.get("how", ""), message.get("row", 0), message.get("delay", 0.0))
        elif "silent" in message:
            (self.silent.add if message["silent"] else self.silent.discard)(index)
        elif "failed" in message:
            self._failure = f"worker {message['worker']} cannot enforce version {message['failed']}: {message['why']}"
        else:
            self.pids[index] = message["pid"]
            self.enforcing[index] = message["enforcing"]
        self._changed.set()

    def missing(self) -> list[int]:
        """Return the indices of workers that do not run."""
        return [index for index in range(self.size) if index not in self.pids]

    def trouble(self) -> str:
        """Return what is wrong with the workers, and which of them; empty if nothing is."""
        if self.silent:
            named = ", ".join(f"worker {index} (process {self.pids.get(index, 0)})" for index in sorted(self.silent))
            return f"{named} does not answer; it is ended and started again"
        missing = self.missing()
        if not missing:
            return ""
        often = "".join(
            f"; worker {index} has ended {death.row} times at once ({death.how}), and is started in {death.delay:.0f} s"
            for index in missing
            if (death := self._deaths.get(index)) and death.row > 1
        )
        return f"workers {missing} are not running; they are being started again{often}"

    def behind(self, version: int) -> list[int]:
        """Return the indices of workers that do not enforce a version."""
        return [index for index in range(self.size) if self.enforcing.get(index) != version]

    def enforces(self, version: int) -> bool:
        """Return whether any worker enforces a version."""
        return version in self.enforcing.values()

    async def wait_for(self, version: int, seconds: float, timing: Timing) -> str:
        """Wait until every running worker enforces a version; return the failure, empty if there is none.

        A worker that died is not waited for: it enforces the newest version as soon as it is back. Nor is one that does
        not answer, which the supervisor ends; and one that is late takes nothing back that others enforce (`late`).
        """
        self._failure = ""
        deadline = timing.monotonic() + seconds
        while self.late(version) and not self._failure:
            self._changed.clear()
            if not await timing.wait(self._changed, deadline - timing.monotonic()):
                if self.enforces(version):
                    return ""
                return f"workers {self.late(version)} did not take version {version} in {seconds:.0f} seconds"
        return self._failure

    def late(self, version: int) -> list[int]:
        """Return the indices of running workers that answer and do not enforce a version."""
        return [index for index in self.behind(version) if index in self.pids and index not in self.silent]
