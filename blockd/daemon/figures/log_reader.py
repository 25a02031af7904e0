"""Reading the audit log while it is written: what changed in a time, and how long orders took to be enforced."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from blockd.audit.chain import Record, parse_record
from blockd.audit.database import Database
from blockd.audit.log import DATABASE
from blockd.errors import AuditError, CommandError

MAX_OCTETS = 16 << 20  # of the records that one request reads: a second's work


class LogReader:
    """Reads the audit log in a state folder. Its methods wait for the disk; they raise CommandError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE

    def newest(self, kinds: Sequence[str], since: float, until: float, count: int) -> tuple[list[Record], bool]:
        """Return the newest records of some kinds in a time, the newest first, and whether there are more.

        There are at most `count`, and they take at most MAX_OCTETS.
        """
        found: list[Record] = []
        octets_read = 0
        with self._open() as database:
            for octets in database.newest_between(kinds, since, until):
                octets_read += len(octets)
                if len(found) >= count or octets_read > MAX_OCTETS:
                    return found, True
                found.append(parse_record(octets))
        return found, False

    @contextlib.contextmanager
    def _open(self) -> Iterator[Database]:
        try:
            database = Database.read(self._path)
            try:
                yield database
            finally:
                database.close()
        except (AuditError, sqlite3.Error, UnicodeError) as error:
            raise CommandError(f"The audit log cannot be read now: {str(error).removesuffix('.')}.") from error
