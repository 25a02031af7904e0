"""What the supervisor passes to the program that takes its place: a sealed file in memory, and what it names.

The file is JSON. `format` says what its members mean: a program that does not know it is not executed. What it has
beside those that a program knows is left, and the descriptors that only such members name are closed. A member that was
added to a format has a value for when it is left out, as a program before does.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from blockd import __version__
from blockd.daemon.channel import Channel
from blockd.daemon.interchange import sealed
from blockd.daemon.processes.children import Child, Role
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.reload.handing import predecessors
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.upgrade.giving_back import give_back
from blockd.daemon.worker.caches import HandedCaches
from blockd.daemon.worker.origins import Origins
from blockd.metrics import counters, recent, traffic, upstreams
from blockd.transports import unix_socket
from blockd.transports.given.names import named
from blockd.transports.given.sockets import GivenSocket, GivenSockets
from blockd.transports.listening.sockets import Sockets

FORMAT = 1
VARIABLE = "BLOCKD_HANDOVER"  # of the environment: the descriptor of the file
MAX_SIZE = 16 << 20  # octets: some tens for each socket and child

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HandedChild:
    """A child as it is passed: what `Child` has of the same names; `watch` and `channel` are descriptors."""

    kind: str
    index: int
    pid: int
    watch: int
    channel: int
    row: int | None
    enforcing: int | None

    @classmethod
    def of(cls, child: Child) -> Self:
        """Describe a child."""
        role, channel = child.role, child.channel.fileno()
        return cls(role.kind, role.index, child.pid, child.watch, channel, child.row, child.enforcing)

    def child(self) -> Child:
        """Return it as one that leaves: it goes on until it is told to."""
        role = Role(self.kind, self.index)  # type: ignore[arg-type] # another version may have other ones
        channel = Channel(socket.socket(fileno=self.channel))
        made = Child(role, self.pid, self.watch, channel, time.monotonic(), Pulse())
        made.row, made.enforcing, made.standing = self.row, self.enforcing, "leaving"
        return made


@dataclass(slots=True)
class Handover:
    """All that is passed. `back` is the command of the program before; it can be passed back unless that is empty."""

    version: str
    back: tuple[str, ...]
    request: Mapping[str, str]  # who asked for it, and why
    sockets: tuple[tuple[str, int], ...]  # names as in `blockd.transports.given.names`, and descriptors
    lock: tuple[int, ...]
    children: tuple[HandedChild, ...]
    rows: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # as in `Lasting.shared`
    layout: str = ""  # of these rows
    secrets: Mapping[str, str] = field(default_factory=dict)  # as in `Lasting.secrets`, in hexadecimal digits
    caches: Mapping[int, int] = field(default_factory=dict)  # what workers had cached: descriptors by their indices
    origins: Mapping[str, Any] = field(default_factory=dict)  # from whom they knew it, as `Origins` tells
    passed: tuple[int, ...] = ()  # all descriptors
    format: int = FORMAT

    @classmethod
    def of(
        cls,
        back: Sequence[str],
        request: Mapping[str, str],
        sockets: Sockets,
        lock: Sequence[int],
        children: Sequence[Child],
        lasting: Lasting,
        caches: Mapping[int, int],
        origins: Origins,
    ) -> Self:
        """Put together what a supervisor has."""
        return cls(
            __version__,
            tuple(back),
            request,
            tuple((name, sock.fileno()) for name, group in named(sockets) for sock in group),
            tuple(lock),
            tuple(map(HandedChild.of, children)),
            {name: tuple(rows.parts) for name, rows in lasting.shared.items()},
            layout(),
            {name: secret.hex() for name, secret in lasting.secrets.items()},
            caches,
            origins.to_json(),
        )

    @classmethod
    def taken(cls, environment: MutableMapping[str, str]) -> Self | None:
        """Return what the program before has passed to this one; None if there was none.

        The descriptors are this process' own from then on. If it cannot be read, the program before is executed again.
        """
        number = environment.pop(VARIABLE, "")
        if not number.isdecimal():
            return None
        again = -1
        try:
            again = os.dup(int(number))
            made = cls.read(int(number))
        except (OSError, ValueError) as error:
            give_back(again, f"version {__version__} cannot read what it was handed ({error})", VARIABLE, environment)
            log.error("What the version before has handed over cannot be read (%s). This is a start anew.", error)
            return None
        finally:
            with contextlib.suppress(OSError):
                os.close(again)
        made._leave_unknown()
        for descriptor in made.descriptors:
            os.set_inheritable(descriptor, False)
        return made

    @classmethod
    def read(cls, descriptor: int) -> Self:
        """Read the file, and close it; raises ValueError."""
        try:
            found = sealed.members_of(descriptor, MAX_SIZE)
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if found.get("format") != FORMAT:
            raise ValueError(f"its format is {found.get('format')!r}; this blockd reads {FORMAT}")
        try:
            return cls._of(found)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"it has another structure than expected: {error!r}") from error

    @classmethod
    def _of(cls, found: Mapping[str, Any]) -> Self:
        return cls(
            str(found["version"]),
            tuple(map(str, found["back"])),
            {str(name): str(value) for name, value in found["request"].items()},
            tuple((str(name), int(number)) for name, number in found["sockets"]),
            tuple(map(int, found["lock"])),
            tuple(HandedChild(**values) for values in found["children"]),
            {str(name): tuple((int(a), int(b)) for a, b in parts) for name, parts in found["rows"].items()},
            str(found["layout"]),
            {str(name): str(value) for name, value in found["secrets"].items()},
            {int(index): int(number) for index, number in found.get("caches", {}).items()},
            dict(found.get("origins", {})),
            tuple(map(int, found.get("passed", ()))),
        )

    @property
    def descriptors(self) -> list[int]:
        """All that are named."""
        of_children = [number for child in self.children for number in (child.watch, child.channel)]
        of_rows = [number for parts in self.rows.values() for number, _ in parts]
        return [*(number for _, number in self.sockets), *self.lock, *of_children, *of_rows, *self.caches.values()]

    @property
    def given(self) -> GivenSockets:
        """The sockets, which the children that are passed still read."""
        found = [GivenSocket(name, socket.socket(fileno=number)) for name, number in self.sockets]
        for one in found:
            if one.socket.family == socket.AF_UNIX:
                unix_socket.adopt(one.socket)
        return GivenSockets(found, is_served=True)

    @property
    def drawn(self) -> dict[str, bytes]:
        """The secrets."""
        return {name: bytes.fromhex(text) for name, text in self.secrets.items()}

    def cached(self, workers: Sequence[int]) -> dict[int, HandedCaches]:
        """Return what each of the workers at these indices is to begin with: all that was cached, and the caller's."""
        found = [number for _, number in sorted(self.caches.items())]
        if not found:
            return {}
        origins = Origins.from_json(self.origins)
        places = {index: predecessors(index, len(found), len(workers)) for index in workers}
        handed: dict[int, HandedCaches] = {}
        used = set[int]()
        for index, numbers in ((index, [found[place] for place in places[index]]) for index in workers):
            handed[index] = HandedCaches(tuple(os.dup(one) if one in used else one for one in numbers), origins)
            used.update(numbers)
        return handed

    def _leave_unknown(self) -> None:
        """Close what this version has no use for: descriptors of members that it does not know, and caches."""
        left = {*self.passed}.difference(self.descriptors)
        try:
            if self.caches:
                Origins.from_json(self.origins)
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning(
                "What version %s had cached is left: it tells in another form from whom it knew it.", self.version
            )
            left.update(self.caches.values())
            self.caches = {}
        for descriptor in left:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def fill(self, lasting: Lasting) -> bool:
        """Have the counters go on, if they mean the same; return whether they do."""
        if self.layout != layout() or set(self.rows) != set(lasting.shared):
            log.info("Counters begin anew: they have another form than in version %s.", self.version)
            return False
        for name, rows in lasting.shared.items():
            rows.adopt(self.rows[name])
        return True

    def pass_on(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Execute a program in the place of this one, with all that is passed; raises OSError, and then nothing is."""
        passed = self.descriptors
        file = sealed.put("blockd-handover", asdict(replace(self, passed=tuple(passed))))
        try:
            for descriptor in (file, *passed):
                os.set_inheritable(descriptor, True)
            os.execvpe(command[0], list(command), {**environment, VARIABLE: str(file)})  # noqa: S606
        finally:  # not reached but for an error
            for descriptor in passed:
                with contextlib.suppress(OSError):
                    os.set_inheritable(descriptor, False)
            os.close(file)


def layout() -> str:
    """Return a digest of what the rows of the counters mean: it changes with the modules that say so."""
    sources = (Path(str(module.__file__)) for module in (counters, recent, traffic, upstreams))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
