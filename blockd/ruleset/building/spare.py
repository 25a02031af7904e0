"""A spare copy of a ruleset, made ahead of the change that turns it into the next one.

Copying and verifying take longer than a day's change itself. A spare is never trusted over a restart: it is made by the
same run of blockd that uses it, from octets that matched their digests when they were copied.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from blockd.errors import RulesetError
from blockd.files import open_kept, write_at
from blockd.ruleset.digest import is_sound
from blockd.ruleset.format import HEADER_SIZE, Header
from blockd.ruleset.mapped import Ruleset


@dataclass(frozen=True, slots=True)
class Spare:
    """A copy of the table and the records of a ruleset, where they are in it; `header` is that of the ruleset."""

    path: Path
    header: bytes

    def is_of(self, ruleset: Ruleset) -> bool:
        """Return whether it is a copy of `ruleset`, and still there."""
        return ruleset.octets[:HEADER_SIZE] == self.header and self.path.is_file()


def make_spare(base: Path, folder: Path, goes_on: Callable[[], bool]) -> Spare:
    """Copy the ruleset at `base` to a hidden file in `folder`, which `StateDir.tidy` removes if it is left behind.

    Raises RulesetError if the file is damaged, or if `goes_on` no longer returns true, and OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=".spare.", dir=folder)
    path = Path(name)
    try:
        with open_kept(base) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as octets:
            first = octets[:HEADER_SIZE]
            header = Header.unpack(first, len(octets))
            end = header.records.end

            def take(start: int, piece: bytes | memoryview) -> None:
                if not goes_on():
                    raise RulesetError("the copy is not needed any more")
                with memoryview(piece) as view:
                    write_at(descriptor, view[: max(0, end - start)], start)

            if not is_sound(octets, header, take):
                raise RulesetError(f"{base} does not match its digest: it was cut or damaged")
        return Spare(path, first)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
