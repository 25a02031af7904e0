"""What a switcher of rulesets is given: the versions kept, the workers and the channel to them, and the self-test."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from blockd.daemon.channel import Message, MessageSource
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.state_dir import StateDir, memory_of
from blockd.daemon.timing import Timing
from blockd.daemon.update.diff_child import compared
from blockd.daemon.update.version_journal import Compare
from blockd.daemon.workers import Workers
from blockd.ruleset import Enforced
from blockd.ruleset.versions.keeping import Retention
from blockd.selftest import Examples, SelfTestReport

BACK_TIME = 3.0  # seconds for workers to go back to the version before


class Sender(Protocol):
    """The channel to the workers, see `blockd.daemon.channel.Channel`."""

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        """Send a message, which may be lost, with a copy of a descriptor."""


class ControlChannel(Sender, MessageSource, Protocol):
    """The channel to the supervisor, see `blockd.daemon.channel.Channel`."""


class SelfTest(Protocol):
    """Test of whether the workers enforce what they report, see `blockd.selftest.SelfTests`."""

    async def run(
        self,
        enforced: Enforced,
        before: Enforced | None,
        workers: Collection[int],
        news: Iterable[bytes],
        examples: Examples,
        /,
    ) -> str:
        """Return the failure as a sentence, empty if there is none; raises RulesetError."""

    def report(self) -> SelfTestReport | None:
        """Return the report of the last test."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where versions are kept, which of them, and how they are compared; `slots` maps orders to counters."""

    state: StateDir
    slots: HitSlots
    retention: Retention
    compare: Compare = compared


@dataclass(frozen=True, slots=True)
class WorkerLink:
    """The workers, as known from their messages, and the channel to them."""

    workers: Workers
    sender: Sender

    async def go_back(self, before: Enforced, timing: Timing) -> str:
        """Have every worker enforce the version before again; return, to be appended, which does not, if any."""
        self.sender.send({"enforce": before.version}, memory_of(before).descriptor)
        await self.workers.wait_for(before.version, BACK_TIME, timing)
        late = self.workers.late(before.version)
        if not late:
            return ""
        self.sender.send({"late": late, "version": before.version})  # they are ended, and started with it
        return f"; workers {late} have not gone back to version {before.version} yet, and are started again with it"
