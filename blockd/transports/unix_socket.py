"""Listening on a Unix socket (unix(7)): its file is made anew at each start, and is closed to others."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from blockd.files import identity_of

FORBIDDEN = "Unix sockets are forbidden to this process; add AF_UNIX to RestrictAddressFamilies= in the systemd unit"
MODE = 0o660  # its owner and its group may connect, for which a process must be able to write to it


_made: dict[Path, tuple[int, int] | None] = {}  # by this process: what lies at a path, as it was bound


def listen(path: Path, backlog: int) -> socket.socket:
    """Return a socket that listens at a path; what a blockd that has ended left there is removed.

    It listens at once, so that nobody takes it for one that was left.

    The file's group is that of its folder, as far as this process may give it away, so that the folder says who may
    connect. Raises OSError, with EADDRINUSE also if something else than a socket lies there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with contextlib.ExitStack() as stack:
        stack.callback(sock.close)
        try:
            sock.bind(bytes(path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_left(path):
                raise
            path.unlink()
            sock.bind(bytes(path))
        with contextlib.suppress(PermissionError):
            os.chown(path, -1, path.parent.stat().st_gid)
        path.chmod(MODE)
        sock.listen(backlog)
        _made[path] = identity_of(path)
        stack.pop_all()
    return sock


def adopt(sock: socket.socket) -> None:
    """Have a bound socket of the program before as one that this process has made."""
    path = Path(os.fsdecode(sock.getsockname()))
    _made[path] = identity_of(path)


def close(sock: socket.socket) -> None:
    """Close a bound socket and remove its file, if it is still its own and this process may; else it is left there."""
    if sock.fileno() >= 0:
        path = Path(os.fsdecode(sock.getsockname()))
        if (known := _made.pop(path, None)) is not None and identity_of(path) == known:
            with contextlib.suppress(OSError):
                path.unlink()
    sock.close()


def trouble_at(path: Path) -> str:
    """Return why a path cannot be listened on, as far as can be seen without making anything there; empty if it can."""
    found = 0
    try:
        if not _is_left(path):
            found = errno.EADDRINUSE
    except FileNotFoundError:
        found = 0 if path.parent.is_dir() else errno.ENOENT
    except OSError as error:
        found = error.errno or errno.EACCES
    if not found and not os.access(path.parent, os.W_OK | os.X_OK):
        found = errno.EACCES
    return why_not(OSError(found, os.strerror(found)), path) if found else ""


def why_not(error: OSError, path: Path) -> str:
    """Return why a path cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        if path.is_socket():
            return "another program listens there"
        return "something else than a socket lies there; remove it, or name another path"
    if error.errno == errno.ENOENT:
        return f"there is no folder {path.parent}; make it, or have systemd do so (RuntimeDirectory=)"
    if error.errno == errno.EAFNOSUPPORT:
        return FORBIDDEN
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"this user ({os.geteuid()}) may not make files in {path.parent}"
    return str(error.strerror)


def _is_left(path: Path) -> bool:
    """Return whether a path is a socket at which nobody listens any more."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(bytes(path)) == errno.ECONNREFUSED
