"""Landlock (landlock(7)): a process gives up what it does not need to open, connect to and signal, for good.

It needs no privilege, and holds for root too. What a kernel does not know it does not refuse; `ABI` says what it knows.
The rules hold for the calling thread and what it starts from then on: call `restrict` before there is another one.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import struct
from collections.abc import Collection, Iterable
from pathlib import Path

from blockd.daemon.rights.capabilities import refuse_new_privileges

NETWORK_ABI, SCOPE_ABI = 4, 6  # from which on TCP ports, and signals and abstract sockets, can be refused

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every machine
_VERSION = 1  # flag of `_CREATE`: return the version
_BENEATH, _PORT = 1, 2  # kinds of rules
_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE, _MAKE_FOLDER, _MAKE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15  # since versions 2, 3 and 5
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # what each version can refuse
_READING = _READ | _READ_FOLDER
_WRITING = _WRITE | _READ | _READ_FOLDER | _REMOVE | _REMOVE_FOLDER | _MAKE | _MAKE_FOLDER | _REFER | _TRUNCATE
_BIND, _CONNECT = 1, 2
_SCOPES = 3  # abstract sockets and signals of processes outside

_libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def abi() -> int:
    """Return the version of Landlock that this kernel has; 0 if it has none, or it is turned off."""
    return max(0, int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))))


def restrict(reads: Iterable[Path], writes: Iterable[Path] = (), ports: Collection[int] = ()) -> int:
    """Leave this process only these files and folders, with what is below, and these TCP ports to connect to.

    It may start no program, listen on no other TCP port, and signal no process outside. What is open stays usable.
    Paths that are missing are left out. Returns the version of Landlock that enforces it, 0 if none does.
    """
    version = abi()
    if not version:
        return 0
    files = _FILES[max(known for known in _FILES if known <= version)]
    network = _BIND | _CONNECT if version >= NETWORK_ABI else 0
    scopes = _SCOPES if version >= SCOPE_ABI else 0
    attributes = struct.pack("<3Q", files, network, scopes)
    size = 24 if version >= SCOPE_ABI else 16 if version >= NETWORK_ABI else 8
    rules = _call(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for paths, rights in ((reads, _READING), (writes, _WRITING)):
            for path in paths:
                _allow_path(rules, path, rights & files)
        for port in ports if network else ():
            _call(_ADD_RULE, rules, _PORT, struct.pack("<2Q", _CONNECT, port), ctypes.c_uint32(0))
        refuse_new_privileges()
        _call(_RESTRICT, rules, ctypes.c_uint32(0))
    finally:
        os.close(rules)
    return version


def _allow_path(rules: int, path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            allowed = rights if path.is_dir() else rights & _OF_FILES
            _call(_ADD_RULE, rules, _BENEATH, struct.pack("<Qi", allowed, descriptor), ctypes.c_uint32(0))
        finally:
            os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    done = int(_libc.syscall(number, *arguments))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done
