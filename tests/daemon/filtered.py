"""A blockd behind a filter of system calls (seccomp(2)): `python -m tests.daemon.filtered run …`.

As with `RestrictAddressFamilies=AF_INET AF_INET6` in the systemd unit it gets no socket of another family by socket(2),
and it may not change a priority.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct
import sys

from blockd.cli import main

NUMBERS = {"x86_64": (41, 141), "aarch64": (198, 140)}  # of socket and setpriority, by the machine
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of BPF: a word, a jump, the verdict
_NUMBER, _FIRST_ARGUMENT = 0, 16  # where they stand in `struct seccomp_data`, on a machine of the lesser end first
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def confine() -> None:
    """Put the filter on this process and all that it starts; raises OSError if the kernel has none."""
    make_socket, set_priority = NUMBERS[platform.machine()]
    steps = [
        _step(_LOAD, _NUMBER),
        _step(_IF_EQUAL, set_priority, yes=5),
        _step(_IF_EQUAL, make_socket, no=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_EQUAL, socket.AF_INET, yes=1),
        _step(_IF_EQUAL, socket.AF_INET6, no=2),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _FAIL | errno.EPERM),
        _step(_RETURN, _FAIL | errno.EAFNOSUPPORT),
    ]
    program = ctypes.create_string_buffer(b"".join(steps))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), header, *map(ctypes.c_ulong, (0, 0))) != 0:
        raise OSError(ctypes.get_errno(), "no filter")


if __name__ == "__main__":
    confine()
    sys.exit(main())
