"""The admin socket as a file: put in place whole, whatever its path's length, also over one that is still listened to.

A Unix socket's path has 107 octets at most (unix(7)). So its folder is opened, and the socket is named from there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
from pathlib import Path

from blockd.transports.accepting import BACKLOG
from blockd.transports.unix_socket import MODE

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class AdminSocket:
    """The listening socket at `path`; raises OSError if it cannot be made, or if something else lies there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with contextlib.ExitStack() as stack:
            stack.callback(self.sock.close)
            folder = os.open(path.parent, _FOLDER)
            placing = stack.enter_context(contextlib.ExitStack())
            placing.callback(os.close, folder)
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISSOCK(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
                    raise OSError(errno.EADDRINUSE, "something else than a socket lies there", str(path))
            name = f".{path.name}.{secrets.token_hex(4)}"
            placing.callback(_remove, name, folder)
            self.sock.bind(f"/proc/self/fd/{folder}/{name}")
            with contextlib.suppress(PermissionError):  # as far as this process may give it away
                os.chown(name, -1, os.fstat(folder).st_gid, dir_fd=folder, follow_symlinks=False)
            Path(f"/proc/self/fd/{folder}/{name}").chmod(MODE)
            self.sock.listen(BACKLOG)
            os.rename(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            self._identity = found.st_dev, found.st_ino
            placing.close()
            stack.pop_all()

    @property
    def is_in_place(self) -> bool:
        """Whether it is what lies at its path."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def remove(self) -> None:
        """Remove the file, unless another socket was put in its place; the socket itself is closed by who serves it."""
        if self.is_in_place:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _remove(name: str, folder: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
