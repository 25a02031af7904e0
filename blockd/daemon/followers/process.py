"""A process that answers by the version which workers enforce, and follows when they change over.

It opens the ruleset read-only and as they do. Nothing waits for it: that it disagrees with DNS for some milliseconds
harms nobody, and if it cannot follow it goes on with what it has, tells the control process why, and tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from blockd.daemon.channel import Message, listen
from blockd.daemon.contexts import SharedContext
from blockd.daemon.followers.leaving import Leaving
from blockd.daemon.processes import pulse
from blockd.daemon.processes.signals import ENDING
from blockd.errors import RulesetError
from blockd.ruleset import Enforced, Ruleset
from blockd.transports.listening.draining import Draining

if TYPE_CHECKING:  # it stands among what the control process needs
    from blockd.daemon.switching import ControlChannel

RETRY = 1.0  # seconds until a version that cannot be opened is tried again

log = logging.getLogger(__name__)


class FollowingProcess:
    """What such processes have in common; `name` is how sentences call what one does, with a capital letter."""

    name = ""

    def __init__(self, shared: SharedContext, version: int | None, channel: ControlChannel) -> None:
        """`version` is to be enforced from the first answer on."""
        self._shared = shared
        self._channel = channel
        self._wanted = version  # the version to be enforced
        self._news = asyncio.Event()  # another is
        self._stop = asyncio.Event()
        self._leaving: Leaving | None = None  # what ends what it serves, once it serves
        self._told = 0  # the version about which it was told that it cannot be enforced
        self.enforced: Enforced | None = None

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        pulse.begin(loop)
        for number in ENDING:
            loop.add_signal_handler(number, self._stop.set)
        if self._wanted is None:
            self._channel.send({"enforcing": 0})
        elif not await self.enforce(self._wanted):  # before the first answer
            self._news.set()
        async with self.serving():
            self._leaving = Leaving(self.servers(), self._stop.set)
            listen(self._channel, self.hear, self._stop.set)
            following = asyncio.create_task(self.follow())
            following.add_done_callback(lambda _: self._stop.set())
            await self._stop.wait()
            loop.remove_reader(self._channel.fileno())
            if following.done():
                following.result()
            following.cancel()
            self._leaving.stop()

    def servers(self) -> Sequence[Draining]:
        """Return what serves, within the context of `serving`."""
        raise NotImplementedError

    def serving(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Serve within a context."""
        raise NotImplementedError

    def hear(self, message: Message) -> None:
        """Take a message of the supervisor."""
        if "drain" in message and self._leaving is not None:
            self._leaving.begin(message)
        elif "enforce" in message:
            self.want(self._shared.state.taken(message))

    def want(self, version: int) -> None:
        """Have a version enforced: the newest that is asked for, whatever was asked for before."""
        self._wanted = version
        self._news.set()

    async def follow(self) -> None:
        """Enforce what is asked for, for ever; what cannot be opened is tried again.

        A version that is enforced already is opened anew, as workers do: its orders' states may be others.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            while self._wanted is not None and not await self.enforce(self._wanted):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), RETRY)
                self._news.clear()  # the newest is tried in any case

    def enforces(self, version: int) -> bool:
        """Return whether a version is enforced."""
        return self.enforced is not None and self.enforced.version == version

    async def enforce(self, version: int) -> bool:
        """Open a version in a thread, swap, and tell; return false if it cannot be opened: the one before stays."""
        before = self.enforced
        try:
            enforced = await asyncio.to_thread(self.open, version, before.ruleset if before else None)
        except RulesetError as error:
            if version != self._told:
                self._told = version
                log.error("%s goes on without version %d: %s. It is tried again.", self.name, version, error)
                self._channel.send({"failed": version, "why": str(error)})
            return False
        self.swap(enforced)
        return True

    def open(self, version: int, like: Ruleset | None) -> Enforced:
        """Open a version, which may be like the one before; called in a thread."""
        return self._shared.state.open(version, like)

    def swap(self, enforced: Enforced) -> None:
        """Answer by what was opened from now on, and report it."""
        before, self.enforced = self.enforced, enforced
        self._told = 0
        if before is not None:
            before.close()
        self._channel.send({"enforcing": enforced.version})
