"""The kernel's table of sockets (proc(5), /proc/net), and which processes hold them."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockd.settings import SocketAddress

PROC = Path("/proc")
SEARCH_TIME = 1.0  # seconds; on a machine with too many descriptors for it, some holders stay unknown
_LISTENING = "0A"  # TCP_LISTEN of the kernel's tcp_states.h
_MAX_COMMAND = 4096  # octets of a command line


@dataclass(frozen=True, slots=True)
class KernelSocket:
    """A socket that is bound to an address. `drops` counts the packets lost because its buffer was full."""

    address: SocketAddress
    inode: int
    drops: int


@dataclass(frozen=True, slots=True)
class Program:
    """A process that holds a socket; `parent` is the process id of its parent."""

    pid: int
    parent: int
    name: str


def bound_sockets(kind: socket.SocketKind, proc: Path = PROC) -> Iterator[KernelSocket]:
    """Yield every UDP socket, or every TCP socket that listens, of this network namespace."""
    protocol = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    for table in (protocol, f"{protocol}6"):  # a kernel without IPv6 has only the first
        with contextlib.suppress(OSError):
            for line in (proc / "net" / table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if protocol == "udp" or fields[3] == _LISTENING:
                    drops = int(fields[12]) if protocol == "udp" else 0
                    yield KernelSocket(_address(fields[1]), int(fields[9]), drops)


def holders(proc: Path = PROC) -> dict[int, Program]:
    """Return the first process that holds each socket, by inode; only root sees the processes of other users."""
    found: dict[int, Program] = {}
    deadline = time.monotonic() + SEARCH_TIME
    for pid in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()):
        if time.monotonic() > deadline:
            break
        with contextlib.suppress(OSError):
            inodes = _inodes(proc / str(pid) / "fd")
            if fresh := [inode for inode in inodes if inode not in found]:
                found.update(dict.fromkeys(fresh, _program(pid, proc)))
    return found


def command(pid: int, proc: Path = PROC) -> str:
    """Return a process's command line; empty if there is no such process or this user may not see it."""
    try:
        with (proc / str(pid) / "cmdline").open("rb") as file:
            return file.read(_MAX_COMMAND).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _inodes(folder: Path) -> list[int]:
    found = []
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            target = os.readlink(entry.path)  # noqa: PTH115 - thousands of them, and no Path is needed
            if target.startswith("socket:["):
                found.append(int(target[8:-1]))
    return found


def _program(pid: int, proc: Path) -> Program:
    """Read /proc/PID/stat: `pid (name) state parent …`, where the name may contain anything."""
    before, _, after = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")
    return Program(pid, int(after.split()[1]), before.partition("(")[2])


def _address(text: str) -> SocketAddress:
    """Parse `0100007F:1F75`: words of 32 bits in the machine's byte order, then the port."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8)]
    return SocketAddress(str(ipaddress.ip_address(b"".join(words))), int(port, 16))
