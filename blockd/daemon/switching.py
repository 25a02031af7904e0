"""What a switcher of rulesets is given: the versions kept, the workers and the channel to them, and the self-test."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from blockd.daemon.channel import Message, MessageSource
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.diff_child import compared
from blockd.daemon.update.version_journal import Compare
from blockd.daemon.workers import Workers
from blockd.ruleset import Enforced
from blockd.ruleset.versions.keeping import Retention
from blockd.selftest import Examples, SelfTestReport


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
