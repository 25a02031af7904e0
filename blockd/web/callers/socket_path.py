"""Connecting to a Unix socket whose path may be longer than the 107 octets that the kernel takes (unix(7))."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def connected(path: Path, seconds: float | None) -> socket.socket:
    """Return a socket that is connected to the one at `path`; raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except BaseException:
        sock.close()
        raise
    return sock
