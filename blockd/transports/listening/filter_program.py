"""Programs of the kernel's machine that filters packets and system calls (bpf(4)), as the kernel is handed them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, how many to skip if true and if not, constant
_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: how many instructions, and where they are

Instruction = tuple[int, int, int, int]


class FilterProgram:
    """A program in memory. `handed` is what the kernel takes, which holds as long as this object is there."""

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        octets = b"".join(_INSTRUCTION.pack(*one) for one in instructions)
        self._kept = ctypes.create_string_buffer(octets, len(octets))
        self.handed = _PROGRAM.pack(len(instructions), ctypes.addressof(self._kept))
