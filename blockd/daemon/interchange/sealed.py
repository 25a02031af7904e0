"""Files in memory that are written once and then sealed (memfd_create(2)): nobody can change what others read there."""

from __future__ import annotations

import contextlib
import fcntl
import os

_NOEXEC_SEAL = 0x8  # MFD_NOEXEC_SEAL, since Linux 6.3; the module has no name for it
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def made(name: str) -> int:
    """Make an empty file in memory, which no program can be run from where the kernel knows that; return it."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    with contextlib.suppress(OSError):
        return os.memfd_create(name, flags | _NOEXEC_SEAL)
    return os.memfd_create(name, flags)


def seal(descriptor: int) -> None:
    """Let nobody change the file from now on; raises OSError while it is mapped to be written."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def is_sealed(descriptor: int) -> bool:
    """Return whether nobody can change the file."""
    return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS == _SEALS
