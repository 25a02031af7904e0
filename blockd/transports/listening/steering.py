"""Which of the sockets that share an address the kernel gives what comes to it (socket(7), SO_ATTACH_REUSEPORT_CBPF).

By itself it takes all of them, by a hash of the client's address. A socket that is about to be closed, or that nobody
reads yet, is steered around: a program of three instructions chooses among the first ones of the group at random. The
kernel's order is that in which they were bound (UDP) or began to listen (TCP); the last one takes the place of one that
is closed.
"""

from __future__ import annotations

import contextlib
import errno
import socket

from blockd.transports.listening.filter_program import FilterProgram

_ATTACH, _DETACH = 51, 68  # SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF: the module has no names for them
_LOAD, _MODULO, _RETURN = 0x20, 0x94, 0x16  # BPF_LD+BPF_W+BPF_ABS, BPF_ALU+BPF_MOD+BPF_K, BPF_RET+BPF_A
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: a random number, which no client chooses
_NOWHERE = ("127.0.0.1", 9), ("::1", 9)  # the discard port (RFC 863), from which nothing comes

# Each packet asks the program anew. Those of one client that come while it is attached reach several workers, which
# only means that each looks into its own cache.


def steer_to_first(sock: socket.socket, count: int) -> None:
    """Have the kernel choose among the first `count` sockets, at least one, of the group that this one belongs to.

    Raises OSError if the kernel does not know this.
    """
    program = FilterProgram(((_LOAD, 0, 0, _RANDOM), (_MODULO, 0, 0, count), (_RETURN, 0, 0, 0)))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH, program.handed)


def steer_to_all(sock: socket.socket) -> None:
    """Have the kernel choose among all sockets of the group that this one belongs to, as it does by itself."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):  # nothing was attached; it is in no group
            raise


def turn_away(sock: socket.socket) -> None:
    """Have nothing more come to a UDP socket, while what has come can be read, and be answered from it.

    It is connected to where nothing comes from. Datagrams go to a socket on a wildcard address, if there is one.
    """
    with contextlib.suppress(OSError):  # the machine has no loopback: it is closed as it is
        sock.connect(_NOWHERE[sock.family == socket.AF_INET6])


def is_turned_away(sock: socket.socket) -> bool:
    """Return whether `turn_away` has been called for a UDP socket; the kernel cannot undo that."""
    with contextlib.suppress(OSError):
        return bool(sock.getpeername())
    return False
