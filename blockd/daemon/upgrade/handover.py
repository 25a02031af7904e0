"""What the supervisor passes to the program that takes its place: a sealed file in memory, and what it names.

The file is JSON. `format` says what its members mean: a program that does not know it is not executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from blockd import __version__
from blockd.daemon.channel import Channel
from blockd.daemon.interchange import sealed
from blockd.daemon.processes.children import Child, Role
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.upgrade.giving_back import give_back
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


@dataclass(frozen=True, slots=True)
class Handover:
    """All that is passed. `back` is the command of the program before, to which it can be passed back."""

    version: str
    back: tuple[str, ...]
    request: Mapping[str, str]  # who asked for it, and why
    sockets: tuple[tuple[str, int], ...]  # names as in `blockd.transports.given.names`, and descriptors
    lock: tuple[int, ...]
    children: tuple[HandedChild, ...]
    rows: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # as in `Lasting.shared`
    layout: str = ""  # of these rows
    secrets: Mapping[str, str] = field(default_factory=dict)  # as in `Lasting.secrets`, in hexadecimal digits
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
        except (OSError, ValueError, TypeError, KeyError) as error:
            why = f"version {__version__} cannot read what it was handed ({error!r})"
            give_back(again, why, VARIABLE, environment)
            log.error("What the version before has handed over cannot be read (%r). This is a start anew.", error)
            return None
        finally:
            with contextlib.suppress(OSError):
                os.close(again)
        for descriptor in made.descriptors:
            os.set_inheritable(descriptor, False)
        return made

    @classmethod
    def read(cls, descriptor: int) -> Self:
        """Read the file, and close it; raises OSError and ValueError, TypeError or KeyError."""
        try:
            size = os.fstat(descriptor).st_size
            if not sealed.is_sealed(descriptor) or size > MAX_SIZE:
                raise ValueError("it is not sealed, or too large")
            found: dict[str, Any] = json.loads(os.pread(descriptor, size, 0))
        finally:
            os.close(descriptor)
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']}; this blockd reads {FORMAT}")
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
        )

    @property
    def descriptors(self) -> list[int]:
        """All that are passed."""
        of_children = [number for child in self.children for number in (child.watch, child.channel)]
        of_rows = [number for parts in self.rows.values() for number, _ in parts]
        return [*(number for _, number in self.sockets), *self.lock, *of_children, *of_rows]

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
        file = sealed.made("blockd-handover")
        passed = [file, *self.descriptors]
        try:
            with open(file, "wb", closefd=False) as writing:
                writing.write(json.dumps(asdict(self)).encode())
            sealed.seal(file)
            for descriptor in passed:
                os.set_inheritable(descriptor, True)
            os.execvpe(command[0], list(command), {**environment, VARIABLE: str(file)})  # noqa: S606
        finally:  # not reached but for an error
            for descriptor in passed[1:]:
                with contextlib.suppress(OSError):
                    os.set_inheritable(descriptor, False)
            os.close(file)


def layout() -> str:
    """Return a digest of what the rows of the counters mean: it changes with the modules that say so."""
    sources = (Path(str(module.__file__)) for module in (counters, recent, traffic, upstreams))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
