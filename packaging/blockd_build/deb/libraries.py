"""Which Debian packages the compiled extensions of an environment need, read from the files themselves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from blockd_build import elf

# Packages by the libraries that they have. One whose name changed with the size of time_t has its new name first.
PACKAGES = {
    "libcrypto.so.3": "libssl3t64 | libssl3",
    "libgcc_s.so.1": "libgcc-s1",
    "libnghttp2.so.14": "libnghttp2-14",
    "libssl.so.3": "libssl3t64 | libssl3",
    "libstdc++.so.6": "libstdc++6",
}


class Unknown(Exception):
    """An extension needs a library that no known package has."""


def needed(extensions: Iterable[Path]) -> list[str]:
    """Return the packages, as `Depends` has them, with the version of the C library whose symbols are used.

    Raises Unknown if an extension needs another library.
    """
    found: set[str] = set()
    newest = elf.OLDEST
    for path in extensions:
        listed = elf.read(path)
        for library in elf.libraries(listed):
            if library in PACKAGES:
                found.add(PACKAGES[library])
            elif library not in elf.C_LIBRARY and not elf.LOADER.fullmatch(library):
                raise Unknown(f"{path.name} needs {library}")
        newest = max(newest, elf.newest_symbol(listed))
    return sorted({*found, f"libc6 (>= {newest[0]}.{newest[1]})"})


def strip(extensions: Iterable[Path]) -> None:
    """Remove symbols that only a debugger reads, if the program that does it is here (Debian: binutils)."""
    program = shutil.which("strip")
    own = [
        str(path) for path in extensions if not path.parent.name.endswith(".libs")
    ]  # those have been edited by others
    if program is not None and own:
        subprocess.run([program, "--strip-unneeded", *own], check=True)
