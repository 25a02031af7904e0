"""Which systems compiled extensions run on, read from the files themselves: PEP 600's `manylinux_2_17_x86_64`."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

# The C library's parts. An extension that needs another library does not run wherever this one is.
C_LIBRARY = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libgcc_s.so.1"}
# Those of modules that blockd does without where they cannot be loaded.
OPTIONAL = {"libssl.so.3", "libcrypto.so.3", "libnghttp2.so.14"}
LOADER = re.compile(r"ld-linux.*\.so\.\d+")
OLDEST = (2, 17)  # of PEP 599, which every installer knows; an older one would say no more

_NEEDED = re.compile(r"\(NEEDED\)[^\[]*\[([^\]]+)\]")
_VERSION = re.compile(r"Name: GLIBC_(\d+)\.(\d+)(?:\.\d+)?\b")
_SEARCHED = re.compile(r"\((?:RPATH|RUNPATH)\)[^\[]*\[([^\]]+)\]")


class NotPortable(Exception):
    """An extension needs what other machines need not have."""


def platform_tag(paths: Iterable[Path]) -> str:
    """Return the tag of the oldest system that has every symbol that these extensions use.

    Raises NotPortable if one uses other libraries than the C library's, or looks for them in a place of this machine.
    """
    newest = OLDEST
    for path in paths:
        listed = read(path)
        for library in libraries(listed):
            if library not in C_LIBRARY | OPTIONAL and not LOADER.fullmatch(library):
                raise NotPortable(f"{path.name} needs {library}")
        for place in _SEARCHED.findall(listed):
            raise NotPortable(f"{path.name} looks for libraries in {place}")
        newest = max(newest, newest_symbol(listed))
    return f"manylinux_{newest[0]}_{newest[1]}_{platform.machine()}"


def libraries(listed: str) -> list[str]:
    """Return the libraries that a file is linked with, of what `read` gives."""
    return _NEEDED.findall(listed)


def newest_symbol(listed: str) -> tuple[int, int]:
    """Return the version of the C library that first had every symbol used, of what `read` gives."""
    return max([OLDEST, *((int(major), int(minor)) for major, minor in _VERSION.findall(listed))])


def read(path: Path) -> str:
    """Return what readelf lists of a file: libraries, places where they are looked for, versions of symbols."""
    program = shutil.which("readelf")
    if program is None:
        raise NotPortable("readelf is not on this machine (Debian: binutils)")
    command = [program, "--wide", "--dynamic", "--version-info", str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
