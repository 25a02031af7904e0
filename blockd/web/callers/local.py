"""Who connects to the admin socket: the kernel says which user and process it was (SO_PEERCRED, unix(7)).

Root, blockd's own user and the socket's group are operators; the socket's file lets nobody else connect. The processes
that blockd itself has started are not: one that reads what strangers send, and was broken into, runs as blockd's user.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pwd
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blockd.web.callers.role import NOBODY, AccessRole, Caller

SO_PEERGROUPS = 59  # asm-generic/socket.h; the module has no name for it
MAX_GROUPS = 65_536  # of a process: NGROUPS_MAX
NAMING = 2.0  # seconds that the name of a user is waited for, which a directory service may be asked for
MAX_NAMES = 256  # users whose names are remembered
_ENDED = ("Z", "X", "x")  # states of a process that is no more (proc_pid_stat(5))
_ANCESTORS = 64  # processes above one that are looked at

_CREDENTIALS = struct.Struct("3i")  # process, user, group
_PROC = Path("/proc")


class PeerSocket(Protocol):
    """A connected Unix socket, as a transport gives it away."""

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes:
        """Return an option."""


@dataclass(frozen=True, slots=True)
class LocalPeer:
    """The process that connected: its id, 0 if it cannot be seen from here, its user and its groups."""

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(sock: PeerSocket) -> LocalPeer:
    """Return who has connected to a Unix socket; raises OSError."""
    pid, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return LocalPeer(pid, uid, frozenset((gid, *_groups_of(sock))))


def _groups_of(sock: PeerSocket) -> tuple[int, ...]:
    size = 4 * 64
    while size <= 4 * MAX_GROUPS:
        try:
            found = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, size)
            return struct.unpack(f"{len(found) // 4}I", found)
        except OSError as error:
            if error.errno != errno.ERANGE:
                return ()
            size *= 4
    return ()


class LocalUsers:
    """Tells who connects to the admin socket at `path`; `daemon` is the process whose descendants are nobody."""

    def __init__(self, path: Path, daemon: int, name_of: Callable[[int], str] | None = None) -> None:
        self._path = path
        self._daemon = daemon
        self._name_of = name_of or _name_of
        self._names: dict[int, str] = {}

    async def caller(self, peer: LocalPeer) -> Caller:
        """Return who has connected; nobody if that is no operator."""
        if not self._may(peer):
            return NOBODY
        if peer.uid == os.geteuid() and _descends(peer.pid, self._daemon):
            return NOBODY
        return Caller(f"user {await self._name(peer.uid)}", AccessRole.OPERATOR, "socket")

    def _may(self, peer: LocalPeer) -> bool:
        if peer.uid in (0, os.geteuid()):
            return True
        try:
            return self._path.stat().st_gid in peer.groups
        except OSError:
            return False

    async def _name(self, uid: int) -> str:
        name = self._names.get(uid)
        if name is None:
            name = str(uid)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NAMING):
                    name = await asyncio.to_thread(self._name_of, uid)
            if len(self._names) < MAX_NAMES:
                self._names[uid] = name
        return name


def _name_of(uid: int) -> str:
    try:
        name = pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return str(uid)
    return name if name.isascii() and name.isprintable() else str(uid)


def _descends(pid: int, ancestor: int) -> bool:
    """Return whether a process of this user is, or descends from, another; so is taken what cannot be looked at.

    Orphans among the descendants have that one as their parent (PR_SET_CHILD_SUBREAPER). A process that cannot be seen
    from this one's namespace is none of them.
    """
    for _ in range(_ANCESTORS):
        if pid == ancestor:
            return True
        if pid <= 1:
            return False
        try:
            status = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return not _is_of_another_user(pid)  # else it has ended, and may have left its connection to another
        state, parent = status.rpartition(")")[2].split()[:2]
        if state in _ENDED:
            return True
        pid = int(parent)
    return True


def _is_of_another_user(pid: int) -> bool:
    """Return whether a process, which may be hidden (`ProtectProc=`), belongs to another user."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False
