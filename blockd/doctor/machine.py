"""The facts of the machine that blockd runs on, from the kernel and the files under /proc."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import pwd
import resource
import secrets
import shutil
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blockd.dns import types
from blockd.doctor import handshake
from blockd.doctor.announced_services import services_at
from blockd.doctor.exchange import ask, is_answer
from blockd.doctor.kernel_sockets import KernelSocket, Program, bound_sockets, command, holders
from blockd.doctor.upstream_question import UpstreamQuestion
from blockd.errors import BadMessage, UpstreamFailure
from blockd.names import Network
from blockd.resolver import engine_name
from blockd.resolver.engine.choice import why_not_native
from blockd.resolver.forwarding.questions import is_error_alone
from blockd.resolver.machine.system import System
from blockd.resolver.reading.refusals import refusal_text
from blockd.resolver.response import parse
from blockd.resolver.streams import ask_over_stream, socket_address
from blockd.settings import Certificate, SocketAddress, Upstream
from blockd.tls import CertificatePair
from blockd.tls.files import read_files
from blockd.transports import binding as sockets

MARGIN = 1.0  # seconds longer than blockd would wait for an upstream's answer; all are asked at once
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # cgroups(7), version 2: quota and period in microseconds
PROC = Path("/proc")
CAP_NET_BIND_SERVICE = 10  # capabilities(7)
STA_UNSYNC = 0x0040  # adjtimex(2)
_OPT = struct.pack(">BHHHHH", 0, types.OPT, types.MAX_UDP, 0, types.EDNS_DO, 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """Result of one question to an upstream; `failure` is empty if an answer came.

    `kind` is how a connection to it failed, or "malformed": a `FailureKind`. It is empty if nothing was heard.
    """

    seconds: float = 0.0
    rcode: int = types.NOERROR
    recurses: bool = True  # RA: it resolves for this machine
    failure: str = ""
    kind: str = ""


class Machine(System):
    """The machine. Methods only read; tests override them to simulate other machines."""

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def engine(self) -> tuple[str, str]:
        """Return the engine that a start would run, and why not the native one; raises CommandError if none can."""
        name = engine_name()
        return name, "" if name == "native" else why_not_native()

    def python(self) -> tuple[int, int, int]:
        """Return the version of Python."""
        return sys.version_info[:3]

    def cores(self) -> float:
        """Return how many cores this process may use, within the quota of a container's cgroup."""
        cores = float(len(os.sched_getaffinity(0)))
        with contextlib.suppress(OSError, ValueError):
            quota, period = CPU_QUOTA.read_text("ascii").split()
            cores = min(cores, int(quota) / int(period))  # `max`, which is not a number, means no limit
        return cores

    def descriptors(self, pid: int | None) -> int:
        """Return how many files the process may have open; if it is None, one started by this user."""
        if pid is not None:
            with contextlib.suppress(OSError):
                for line in (PROC / str(pid) / "limits").read_text("ascii").splitlines():
                    if line.startswith("Max open files"):
                        return _limit(line.split()[3])
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return sys.maxsize if hard == resource.RLIM_INFINITY else hard

    def receive_buffer(self, wanted: int) -> int:
        """Return how many of the wanted octets the kernel grants a UDP socket as its receive buffer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
            return (
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
            )  # socket(7): the kernel reports twice the size

    def clock_is_synchronised(self) -> bool | None:
        """Return whether the kernel's clock is synchronised; None if that is not known."""
        libc = ctypes.CDLL(None, use_errno=True)
        values = _Timex()  # modes 0: nothing is set
        if not hasattr(libc, "adjtimex") or libc.adjtimex(ctypes.byref(values)) < 0:
            return None
        return not values.status & STA_UNSYNC

    def may_bind(self, port: int) -> bool:
        """Return whether this process has the right to bind a port."""
        with contextlib.suppress(OSError, ValueError):
            if port >= int((PROC / "sys/net/ipv4/ip_unprivileged_port_start").read_text("ascii")):
                return True
        with contextlib.suppress(OSError):
            for line in (PROC / "self/status").read_text().splitlines():
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> CAP_NET_BIND_SERVICE & 1)
        return os.geteuid() == 0

    def may_become(self, user: str) -> bool | None:
        """Return whether this process may become a user; None if there is no such user."""
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            return None
        return os.geteuid() in (0, entry.pw_uid)

    def has_address(self, host: str) -> bool:
        """Return whether an address belongs to this machine, or may be bound anyway (net.ipv4.ip_nonlocal_bind)."""
        try:
            family, address = socket_address(Upstream(host, 0))
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.bind(address)
        except OSError:
            return False
        return True

    def attempt(self, address: SocketAddress, kind: socket.SocketKind) -> OSError | None:
        """Return the error of listening on an address; None if that succeeds."""
        return sockets.attempt(address, kind)

    def sockets(self, kind: socket.SocketKind) -> list[KernelSocket]:
        """Return every bound socket of a kind."""
        return list(bound_sockets(kind))

    def holder(self, inode: int) -> Program | None:
        """Return the process that holds a socket; None if this user may not see it."""
        return self._holders.get(inode)

    @functools.cached_property
    def _holders(self) -> dict[int, Program]:
        return holders()

    def is_writable(self, path: Path) -> bool:
        """Return whether this user may write a file, or create one in a folder."""
        return os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0))

    def is_readable(self, path: Path) -> bool:
        """Return whether this user may read a file, or list a folder."""
        return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0))

    def free_space(self, folder: Path) -> int:
        """Return how many octets this user may still write in a folder's file system."""
        return shutil.disk_usage(folder).free

    def lock_holder(self, state_dir: Path) -> int | None:
        """Return the process id of the blockd that holds a state folder; None if none does."""
        try:
            with (state_dir / "lock").open("rb") as file:
                pid = int(file.read(32))
        except (OSError, ValueError):
            return None
        return pid if pid not in (0, os.getpid()) and "blockd" in command(pid) else None

    def pair(self, certificate: Certificate) -> CertificatePair:
        """Return a certificate of the config with its key; raises BadCertificate."""
        return read_files(certificate)

    def why_not_trusted(self, pair: CertificatePair, name: str) -> str:
        """Return why a client with this machine's authorities refuses a chain as that of `name`, else an empty text."""
        return handshake.why_not_trusted(pair, name)

    def shake_hands(
        self, address: SocketAddress, alpn: Sequence[str], name: str, fronts: Sequence[Network]
    ) -> handshake.Handshake:
        """Agree on TLS with a listener of this machine, as `handshake.shake_hands` does."""
        return handshake.shake_hands(address, alpn, name, fronts)

    def services_at(self, address: SocketAddress, owner: str, fronts: Sequence[Network]) -> frozenset[bytes]:
        """Return the SVCB records that a server of this machine has for a name, as `announced_services` does."""
        return services_at(address, owner, fronts)

    def ask(self, questions: Sequence[UpstreamQuestion], timeout: float) -> list[Asked]:
        """Ask upstreams, all at the same time, and wait a little longer than `timeout` seconds for their answers."""

        async def all_of_them() -> list[Asked]:
            return list(await asyncio.gather(*(_ask(question, timeout + MARGIN) for question in questions)))

        return asyncio.run(all_of_them())


class _Timex(ctypes.Structure):
    """The head of adjtimex(2)'s struct timex, with more room than its rest needs."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


async def _ask(asked: UpstreamQuestion, seconds: float) -> Asked:
    upstream, section = asked.upstream, asked.section
    question = struct.pack(">6H", secrets.randbits(16), types.RD, 1, 0, 0, 1) + section + _OPT
    started = time.monotonic()
    try:
        if upstream.transport == "udp":
            answer = await ask(upstream, question, len(section), seconds, secrets.randbelow)
        else:
            answer = await ask_over_stream(upstream, question, seconds)
    except UpstreamFailure as error:
        return Asked(failure=str(error), kind=error.kind)
    if not is_answer(answer, question, len(section)):
        return Asked(failure=f"{upstream.label} answered another question", kind="malformed")
    if not is_error_alone(answer, question):
        try:
            parse(answer, len(section))
        except BadMessage as error:
            return Asked(failure=f"{upstream.label} {refusal_text(error)}", kind="malformed")
    flags = int.from_bytes(answer[2:4])
    return Asked(time.monotonic() - started, flags & types.RCODE, bool(flags & types.RA))


def _limit(text: str) -> int:
    """Parse a limit of proc(5): the fifth word is the soft one, and `unlimited` means none."""
    return sys.maxsize if text == "unlimited" else int(text)
