"""Files in memory that are written once and then sealed (memfd_create(2)): nobody can change what others read there.

Most hold JSON. What is read of one was written by blockd, but maybe by a process that failed, or by another version.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import Any

from blockd.errors import cause_of

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


def fill(descriptor: int, octets: bytes) -> None:
    """Write an empty file, and seal it; raises OSError."""
    with open(descriptor, "wb", closefd=False) as file:
        file.write(octets)
    seal(descriptor)


def put(name: str, values: object) -> int:
    """Return a new sealed file with values as JSON; raises OSError."""
    descriptor = made(name)
    try:
        fill(descriptor, json.dumps(values).encode())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def json_of(descriptor: int, limit: int, start: int = 0) -> Any:
    """Return the values that a file has as JSON from an octet on.

    Raises ValueError, and no other error, if it is not sealed, has more than `limit` octets, cannot be read, or has
    something else.
    """
    try:
        size = os.fstat(descriptor).st_size
        if not is_sealed(descriptor) or size > limit:
            raise ValueError("it is not sealed, or too large")
        return json.loads(os.pread(descriptor, size, start))
    except (OSError, RecursionError) as error:
        raise ValueError(cause_of(error)) from error


def members_of(descriptor: int, limit: int) -> dict[str, Any]:
    """Return the members of the JSON object that a file has; raises ValueError as `json_of` does."""
    found = json_of(descriptor, limit)
    if not isinstance(found, dict):
        raise ValueError("it has another structure than expected")
    return found


def is_sealed(descriptor: int) -> bool:
    """Return whether nobody can change the file."""
    return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS == _SEALS
