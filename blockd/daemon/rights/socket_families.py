"""Taking from a process, for good, the making of sockets of other families than the Internet's (address_families(7)).

By Unix sockets it could talk to services of the machine, by netlink(7) see and, with rights, change the machine's
network. The systemd unit cannot refuse these to all: the service manager is told by a Unix socket how blockd stands,
the admin port's is one, and the control process asks the kernel by netlink whose connections are. It is done by a
filter of system calls (seccomp(2)), which needs no privilege and holds for what the process starts, too. Pairs of
sockets, which have no name, can still be made, and a socket that is there can still be used.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import socket
import struct

from blockd.daemon.rights.capabilities import refuse_new_privileges
from blockd.transports.listening.filter_program import FilterProgram, Instruction

# By machine: AUDIT_ARCH of the kernel, and the numbers of the calls `seccomp` and `socket`.
_MACHINES = {"x86_64": (0xC000003E, 317, 41), "aarch64": (0xC00000B7, 277, 198)}
_IO_URING_SETUP = 425  # on every machine: by it a socket could be made without that call
_OTHER_TABLE = 0x40000000  # set in the numbers of the x32 calls, which do the same

_SET_FILTER, _SPEC_ALLOW = 1, 1 << 2  # without the latter older kernels slow down every branch
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06  # of the machine that filters packets (bpf(4))
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _MACHINE, _FIRST = 0, 4, 16  # in struct seccomp_data; the low half of the first argument

_libc = ctypes.CDLL(None, use_errno=True)
log = logging.getLogger(__name__)


def forbid_others() -> bool:
    """Forbid them to this process, whose threads must be one; return whether that was possible."""
    known = _MACHINES.get(os.uname().machine)
    if known is None or struct.calcsize("P") != 8:
        return False
    refuse_new_privileges()
    program = FilterProgram(_program(known[0], known[2]))
    if _libc.syscall(known[1], _SET_FILTER, _SPEC_ALLOW, ctypes.c_char_p(program.handed)) != 0:
        log.debug(
            "Sockets of other families than the Internet's cannot be forbidden: %s.", os.strerror(ctypes.get_errno())
        )
        return False
    return True


def _program(machine: int, call: int) -> list[Instruction]:
    """Return the instructions: operation, how many to skip if true and if not, and its number."""
    return [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),  # calls of another machine, as of 32 bits
        (_LOAD, 0, 0, _NUMBER),
        (_AND, 0, 0, ~_OTHER_TABLE & 0xFFFFFFFF),
        (_EQUAL, 3, 0, _IO_URING_SETUP),
        (_EQUAL, 0, 5, call),
        (_LOAD, 0, 0, _FIRST),
        (_EQUAL, 3, 0, socket.AF_INET),
        (_EQUAL, 2, 1, socket.AF_INET6),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
        (_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
