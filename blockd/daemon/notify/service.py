"""What the service manager is told of the daemon, and when: by the supervisor, in its turns.

It is ready when every worker answers, whatever is compiled meanwhile, which the sentence of the status tells. While a
config or another version is taken, it reloads, until nothing of that is in progress or waits. As long as the
supervisor takes its turns, the watchdog is told so. The listening sockets are kept there, so that what comes between
two processes waits in them (`blockd.transports.given`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterable

from blockd.daemon.channel import Message, discard
from blockd.daemon.notify.datagrams import MAX_DESCRIPTORS, ServiceManager, main_process, status_of
from blockd.transports.binding import Sockets
from blockd.transports.given.names import named

BEATS = 3.0  # in the time that the watchdog has: one may be late, and a turn may take long


class ServiceNotices:
    """The daemon as `manager` is told of it; `clock` is CLOCK_MONOTONIC, which the protocol goes by."""

    def __init__(self, manager: ServiceManager, clock: Callable[[], float] = time.monotonic) -> None:
        self._manager = manager
        self._clock = clock
        self._is_ready = False
        self._is_reloading = False
        self._status = ""  # what the control process says
        self._told = ""  # the sentence that was told last
        self._beaten = clock()
        self._kept: dict[str, list[int]] = {}  # descriptors by the names under which they are kept

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a program that takes the place of this one finds the service manager."""
        return self._manager.variables

    @property
    def is_ready(self) -> bool:
        """Whether every worker has answered."""
        return self._is_ready

    @property
    def keeps(self) -> bool:
        """Whether the listening sockets are kept for the next process."""
        return bool(self._kept)

    def starting(self, sentence: str) -> None:
        """Tell how far a start is."""
        if not self._is_ready:
            self._tell_status(sentence)

    def look(self, *, is_ready: bool, is_busy: bool) -> None:
        """Tell that the daemon is ready, once it is, and the watchdog that this turn was taken.

        `is_busy` says whether a config or a program is being tried or taken, or waits for that.
        """
        now = self._clock()
        if is_ready and not self._is_ready:
            self._is_ready = True
            self._manager.tell("READY=1", main_process())
            self._tell_status(self._status or "Every worker answers.")
        if self._is_reloading and not is_busy:
            self._is_reloading = False
            self._manager.tell("READY=1")
            self._tell_status(self._status or "Every worker answers.")
        if self._manager.watchdog and now - self._beaten >= self._manager.watchdog / BEATS:
            self._beaten = now
            self._manager.beat()
        self._manager.flush()

    def seconds(self, now: float) -> float | None:
        """Return the seconds until the watchdog is to be told again; None if there is none."""
        if not self._manager.watchdog:
            return None
        return max(0.0, self._beaten + self._manager.watchdog / BEATS - now)

    def heeds(self, message: Message) -> bool:
        """Return whether a message of the control process is the sentence of the status, which is told then."""
        if "status" not in message:
            return False
        discard(message)
        self._status = str(message["status"])
        if not self._is_reloading:
            self._tell_status(self._status)
        return True

    def reloading(self, sentence: str) -> None:
        """Tell that a reload has begun (Type=notify-reload in systemd.service(5)), and what happens.

        Its end, whatever came of it, is told by `look`.
        """
        if self._is_ready:
            self._is_reloading = True
            self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={int(self._clock() * 1_000_000)}")
            self._tell_status(sentence)

    def stopping(self) -> None:
        """Tell that the daemon ends."""
        self._manager.tell("STOPPING=1", status_of("Stopping: what was asked is answered."))

    def keep(self, sockets: Sockets, before: Collection[str] = ()) -> None:
        """Have the listening sockets kept for the next process, and no others; `before` are names kept by the last one.

        Those with a path are not kept: each start makes them anew. What is kept already is not passed again, so that
        it may be called after each change.
        """
        if not self._manager.is_there:
            return
        groups = {name: [one for one in group if one.family != socket.AF_UNIX] for name, group in named(sockets)}
        wanted = {name: [sock.fileno() for sock in group] for name, group in groups.items() if group}
        changed = {name for name in wanted if wanted[name] != self._kept.get(name)}
        gone = [name for name in dict.fromkeys((*self._kept, *before)) if name not in wanted or name in changed]
        for name in gone:
            self._manager.tell("FDSTOREREMOVE=1", f"FDNAME={name}")
        for name in changed:
            for part in _parts(wanted[name]):
                # A socket that is bound and does not listen yet would count as hung up.
                self._manager.tell("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", descriptors=part)
        self._kept = wanted

    def forget(self) -> None:
        """Close, in a child, what only the supervisor needs."""
        self._manager.close()

    def _tell_status(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            self._manager.tell(status_of(sentence))


def _parts(descriptors: list[int]) -> Iterable[list[int]]:
    return (descriptors[at : at + MAX_DESCRIPTORS] for at in range(0, len(descriptors), MAX_DESCRIPTORS))
