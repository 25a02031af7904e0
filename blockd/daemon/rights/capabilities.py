"""Capabilities of this process (capabilities(7)), and the attributes that keep it from getting others, by prctl(2)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
from collections.abc import Collection
from pathlib import Path

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 1, 2, 6, 7, 8
CAP_NET_BIND_SERVICE = 10
LAST = 63  # no kernel has more: they are bits of two words

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP = 4, 8, 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 2, 4
_VERSION_3 = 0x20080522
_STATUS = Path("/proc/self/status")

_libc = ctypes.CDLL(None, use_errno=True)


def held() -> int:
    """Return the effective capabilities of this process as bits; none if the kernel does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_bytes().splitlines():
            if line.startswith(b"CapEff:"):
                return int(line.split()[1], 16)
    return 0


def has(*capabilities: int) -> bool:
    """Return whether this process has all of these capabilities."""
    wanted = _bits(capabilities)
    return held() & wanted == wanted


def keep_only(kept: Collection[int] = ()) -> None:
    """Drop all capabilities but those of `kept` that this process has, and the way to any other, for good.

    Programs that it might start get none either. Raises OSError if a capability is held nevertheless.
    """
    refuse_new_privileges()
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    bound_by_none()
    bits = held() & _bits(kept)
    _capset(bits, bits)
    if held() & ~bits:
        raise PermissionError(1, "the kernel did not take this process' capabilities")


def refuse_new_privileges() -> None:
    """Let no program that this process becomes have more rights than it has itself."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def bound_by_none() -> None:
    """Let no program that this process becomes have any capability; takes CAP_SETPCAP, which root has."""
    for number in range(LAST + 1):
        prctl(_PR_CAPBSET_DROP, number)


def keep_over_change_of_user() -> None:
    """Let capabilities that are permitted stay so when the user changes; they are no longer effective then."""
    prctl(_PR_SET_KEEPCAPS, 1)


def make_effective(capabilities: Collection[int]) -> None:
    """Have these capabilities of the permitted ones, and no other; what was inheritable of them stays so."""
    _capset(_bits(capabilities), _bits(capabilities))


def make_inheritable(capabilities: Collection[int]) -> None:
    """Let a program that this process becomes be given these by `give_to_program`, as far as it has them itself.

    To be called while it is root: without CAP_SETPCAP a process may not widen what is inheritable.
    """
    bits = held()
    _capset(bits, bits & _bits(capabilities))


def give_to_program(capability: int) -> bool:
    """Have the program that this process becomes next have a capability; return whether it will.

    It is undone by `keep_only` in that program.
    """
    return prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def drop(*capabilities: int) -> None:
    """Drop some capabilities for good; the others are kept."""
    if (bits := held()) & _bits(capabilities):
        _capset(bits & ~_bits(capabilities), 0)


def close_memory() -> None:
    """Keep other processes of the same user from reading this one's memory, and a crash from writing it to a file.

    What it forks inherits that. A debugger and a profiler need root from then on.
    """
    prctl(_PR_SET_DUMPABLE, 0)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends: so none of them can leave this process' family."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def prctl(option: int, first: int, second: int = 0) -> bool:
    """Set an attribute of this process (prctl(2)); return whether that succeeded."""
    return bool(_libc.prctl(option, *map(ctypes.c_ulong, (first, second, 0, 0))) == 0)


def _bits(capabilities: Collection[int]) -> int:
    return sum(1 << one for one in set(capabilities))


def _capset(bits: int, inheritable: int) -> None:
    """Make these capabilities the permitted and effective ones of this process, and some of them inheritable.

    What may not become inheritable does not: only a program that this process becomes would lack it.
    """
    header = struct.pack("<Ii", _VERSION_3, 0)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    for one in (inheritable, 0):
        if _libc.capset(header, struct.pack("<6I", low, low, one & 0xFFFFFFFF, high, high, one >> 32)) == 0:
            return
        code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
