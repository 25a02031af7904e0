"""The control process: feeds, orders coming into force, the admin port. It answers no questions and serves no page."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from blockd.daemon.channel import Channel, Message, listen
from blockd.daemon.contexts import ControlContext
from blockd.daemon.control_answers import ControlAnswers
from blockd.daemon.control_parts import ControlParts
from blockd.daemon.environment import Environment
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import pulse
from blockd.daemon.processes.background import end
from blockd.daemon.processes.children import leave
from blockd.daemon.processes.signals import ENDING
from blockd.daemon.report.announcement import Announcement
from blockd.daemon.switching import ControlChannel
from blockd.daemon.update.child_process import yield_to_workers
from blockd.resolver import engine_name
from blockd.transports.descriptors import Shares, make_room
from blockd.web.admin import admin_app
from blockd.web.admin_serving import serve_admin
from blockd.web.callers.socket_keeping import SocketKeeping

ORDERLY = 1.5  # seconds for all that runs to end; the records of the audit log are written in what is left of a stop
THREADS = 16  # for what waits for the disk, beside those that feeds wait in
THREADS_OF_FEED = 4  # that a feed may wait in: for its file or its server's address, and for earlier ones

log = logging.getLogger(__name__)


def run(context: ControlContext, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until the event loop heeds them: the audit log has the end, too
    name_process("control")
    yield_to_workers()
    context.shared.sockets.keep(context.shared.sockets.admin)
    make_room(Shares.of(context.shared.settings).wanted(upstreams=0), channel.fileno())

    async def until_stopped() -> None:
        await ControlProcess(context, channel, Environment.real(context.nursery)).run()
        leave()

    asyncio.run(until_stopped())


class ControlProcess(ControlAnswers):
    """The control process: its parts, the loops and messages that they run by, and what they answer."""

    def __init__(self, context: ControlContext, channel: ControlChannel, environment: Environment) -> None:
        super().__init__(ControlParts(context, channel, environment))
        self._channel = channel
        self._stop = asyncio.Event()
        self._is_replaced = False  # by a control process that goes on with what this one has begun
        self._refreshing: set[asyncio.Task[object]] = set()

    async def run(self) -> None:
        """Serve until told to stop."""
        parts, loop = self.parts, asyncio.get_running_loop()
        # One feed's file or resolver that does not answer holds a thread or two: never all of them.
        loop.set_default_executor(ThreadPoolExecutor(THREADS + THREADS_OF_FEED * len(parts.feeds)))
        for number in ENDING:
            loop.add_signal_handler(number, self._stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        listen(self._channel, self._hear, self._stop.set)
        parts.state.tidy()  # unfinished files of a control process that died
        parts.recorder.begin(
            engine=engine_name(), config=parts.context.running.digest, workers=parts.settings.workers,
            restarted=parts.context.restarted, groups=parts.settings.groups,
        )  # fmt: skip
        pulse.begin(loop)  # not before: that took seconds, if the last versions have many feeds and orders
        parts.damage.supervisor.begin(loop)
        serving, stopped = asyncio.create_task(self._serve()), asyncio.create_task(self._stop.wait())
        await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
        tasks = {serving, stopped, *self._refreshing}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=ORDERLY)
        await asyncio.to_thread(partial(parts.recorder.end, is_replaced=self._is_replaced))
        if not self._stop.is_set():
            serving.result()

    async def _serve(self) -> None:
        """Do all the work, until cancelled or until one part of it fails."""
        parts = self.parts
        async with contextlib.AsyncExitStack() as ending:  # what is entered last ends first
            ending.push_async_callback(parts.switcher.close)
            parts.statements.begin()
            await parts.switcher.begin(parts.context.version)
            enforced = parts.enforced
            parts.slots.adopt(enforced)
            parts.clock_watch.know([parts.recorder.newest, enforced.ruleset.header.created if enforced else None])
            listen = parts.settings.listen
            app = admin_app(self, parts.callers, [listen.admin.host, *listen.admin_names])
            local = SocketKeeping(parts.settings.admin_socket)
            sockets = [*parts.context.shared.sockets.admin, *([] if local.sock is None else [local.sock])]
            admin = await serve_admin(
                app, sockets, closings=parts.closings, tls=parts.admin_tls.context if parts.admin_tls else None
            )
            self._channel.send({"ready": True})
            needed = parts.needed()
            kept = local.keep(admin.exchange, parts.timing.sleep)
            tasks = [asyncio.create_task(work) for work in (*needed, *parts.beside(), kept)]
            if parts.context.announce:
                tasks.append(asyncio.create_task(self._announce()))
            ending.push_async_callback(end, tasks)
            ending.push_async_callback(admin.close)  # a request may be having something enforced
            ending.callback(local.remove)  # not after that: it may take all the time that there is
            ending.callback(parts.upgrades.leave)
            ending.callback(parts.events.close)  # else who listens would be waited for
            ending.callback(parts.reloads.leave)  # and who waits for the reload after the one that ends this
            done, _ = await asyncio.wait(tasks[: len(needed)], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _announce(self) -> None:
        """Announce the start-up, which the next control process does if this one ends before."""
        parts = self.parts
        shown = parts.context, parts.feeds, parts.updater, parts.switcher, parts.timing, self.readiness
        await Announcement(*shown).tell()
        self._channel.send({"announced": True})

    def _hear(self, message: Message) -> None:
        try:
            self.heard(message)
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # of a worker that was broken into
            log.error("A message of a worker cannot be understood (%r); it is left out.", error)

    def heard(self, message: Message) -> None:
        """Handle a message of the supervisor."""
        parts = self.parts
        hears = next((hear for key, hear in parts.hears.items() if key in message), None)
        if "drain" in message:
            self._is_replaced = True
            self._stop.set()
        elif "refresh" in message:
            self._begin(parts.certificates.look())
            if not parts.is_blind:
                parts.context.running.tell()
                self._begin(parts.updater.refresh(None))
        elif hears is not None:
            hears(message)
        elif not parts.followers.heard(message):
            parts.workers.heard(message)
            if "enforcing" in message:
                parts.followers.worker_enforces(int(message["enforcing"]))

    def _begin(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)
