"""The history's file, `figures.db` in the state folder: SQLite, with a bounded number of rows however long it is kept.

rates    counts of `totals.KEPT` by step and time; `seconds` is how many of the step were counted
hits     hits of orders by step and time: numbers of orders, and as many counts, compressed
orders   which order has which number
marks    what of the counters in memory is in the file already, and whose counters those are

The newest rows of each step are kept, so that a clock that was wrong for a time takes nothing away. Nothing in the file
is about a client or a question.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockd.daemon.figures.totals import KEPT
from blockd.files import identity_of

DATABASE = "figures.db"
SCHEMA = 1  # of this module; a file of another one is set aside
MAX_PAGES = 24_576  # of 4 KiB: twice what the largest history takes, so that SQLite itself bounds the file
BUSY = 2.0  # seconds to wait for a control process that is about to end
# Steps in seconds, and how many are kept: 6 hours, 2 days, 35 days, 13 months.
RATE_STEPS: Mapping[int, int] = {10: 2160, 60: 2880, 600: 5040, 7200: 4800}
# The last hour, day, month and 13 months, each with the step that has begun, and one more.
HIT_STEPS: Mapping[int, int] = {600: 8, 3600: 26, 86400: 32, 7 * 86400: 58}
MAX_ORDERS = 65_536  # that are told apart: four times as many as have a counter at a time
MAX_COUNT = 1 << 62  # hits in one step; what is over it was written by a process that was broken into
MAX_BUCKET = 1 << 20  # octets of one step's hits, uncompressed: all orders at 12 octets each

_COLUMNS = ", ".join(f'"{name}"' for name in KEPT)
_ORDERS = (
    "CREATE TABLE orders (number INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, called TEXT NOT NULL, "
    "authority TEXT NOT NULL, seen INTEGER NOT NULL, UNIQUE (feed, called))"
)
_TABLES = (
    "CREATE TABLE rates (step INTEGER, time INTEGER, seconds REAL NOT NULL, "
    + ", ".join(f'"{name}" INTEGER NOT NULL' for name in KEPT)
    + ", PRIMARY KEY (step, time)) WITHOUT ROWID",
    "CREATE TABLE hits (step INTEGER, time INTEGER, counts BLOB NOT NULL, PRIMARY KEY (step, time)) WITHOUT ROWID",
    _ORDERS,
    "CREATE TABLE marks (one INTEGER PRIMARY KEY CHECK (one = 1), owner TEXT NOT NULL, slots BLOB NOT NULL)",
)
_ADD = (
    f"INSERT INTO rates (step, time, seconds, {_COLUMNS}) VALUES (?, ?, ?{', ?' * len(KEPT)}) "  # noqa: S608
    "ON CONFLICT (step, time) DO UPDATE SET seconds = seconds + excluded.seconds, "
    + ", ".join(f'"{name}" = "{name}" + excluded."{name}"' for name in KEPT)
)

OrderName = tuple[str, str]
"""A feed's name, and what the order is called in it."""


@dataclass(frozen=True, slots=True)
class RateRow:
    """The counts, in the order of KEPT, of `seconds` of a step that begins at `time`."""

    time: int
    seconds: float
    counts: tuple[int, ...]


class HistoryFile:
    """The open file. Methods raise sqlite3.Error, of which sqlite3.OperationalError is no sign of damage."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._identity = identity_of(path)

    @classmethod
    def open(cls, path: Path) -> HistoryFile:
        """Open the file, or create it. Raises sqlite3.DatabaseError if it is damaged or something else."""
        for beside in (path, path.with_name(f"{path.name}-journal")):
            if beside.is_symlink() or (beside.exists() and not beside.is_file()):  # SQLite would open what it leads to
                raise sqlite3.DatabaseError(f"{beside.name} is not a regular file")
        connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
            is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if is_new:
                made = "".join(f"{table};" for table in _TABLES)
                connection.executescript(f"BEGIN IMMEDIATE; {made} PRAGMA user_version = {SCHEMA}; COMMIT;")
            query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'sqlite_sequence'"
            found = [sql for (sql,) in connection.execute(query)]
            if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA or sorted(found) != sorted(_TABLES):
                raise sqlite3.DatabaseError("its tables are not those of this version")
            if (checked := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(checked))
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    @property
    def is_in_place(self) -> bool:
        """Whether the file at the path is still the one that is open."""
        return identity_of(self._path) == self._identity

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write all or nothing of what is written within the context."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def add_rates(self, rows: Iterable[RateRow]) -> None:
        """Add counts to every step that they fall into, and remove the oldest of too many."""
        added = [
            (step, row.time - row.time % step, row.seconds, *row.counts) for row in rows for step in RATE_STEPS
        ]  # fmt: skip
        self._connection.executemany(_ADD, added)
        for step, most in RATE_STEPS.items():
            self._prune("rates", step, most)

    def rates(self, step: int, since: float, until: float) -> list[RateRow]:
        """Return the rows of a step from one time to another, in order."""
        query = f"SELECT time, seconds, {_COLUMNS} FROM rates WHERE step = ? AND time >= ? AND time < ? ORDER BY time"  # noqa: S608
        rows = self._connection.execute(query, (step, since, until))
        return [RateRow(time, float(seconds), tuple(map(int, counts))) for time, seconds, *counts in rows]

    def add_hits(self, at: float, counts: Mapping[OrderName, int], authorities: Mapping[OrderName, str]) -> None:
        """Add hits of orders to every step that a time falls into, and remove the oldest of too many."""
        numbers = {self._number(name, authorities.get(name, ""), int(at)): count for name, count in counts.items()}
        self._forget_orders()
        for step, most in HIT_STEPS.items():
            time = int(at) - int(at) % step
            known = dict(self._unpacked(step, time))
            for number, count in numbers.items():
                known[number] = min(known.get(number, 0) + count, MAX_COUNT)
            if len(known) > MAX_ORDERS:
                known = dict(sorted(known.items(), key=lambda item: -item[1])[:MAX_ORDERS])
            packed = struct.pack(f"<{len(known)}I{len(known)}Q", *known, *known.values())
            self._connection.execute("REPLACE INTO hits VALUES (?, ?, ?)", (step, time, zlib.compress(packed, 1)))
            self._prune("hits", step, most)

    def hits(self, step: int, since: float) -> tuple[dict[OrderName, int], int | None]:
        """Return the hits by order of all steps that end after a time, and when the oldest of these begins.

        Those of orders that are no longer told apart have the name `("", "")`.
        """
        names = {number: (feed, called) for number, feed, called in self._orders()}
        found: dict[OrderName, int] = {}
        times = [
            int(time)
            for (time,) in self._connection.execute(
                "SELECT time FROM hits WHERE step = ? AND time > ? ORDER BY time", (step, since - step)
            )
        ]
        for time in times:
            for number, count in self._unpacked(step, time):
                name = names.get(number, ("", ""))
                found[name] = found.get(name, 0) + count
        return found, times[0] if times else None

    def authorities(self) -> dict[OrderName, str]:
        """Return the authority of each order, as it was named last."""
        rows = self._connection.execute("SELECT feed, called, authority FROM orders")
        return {(feed, called): authority for feed, called, authority in rows}

    def marks(self, owner: str) -> Sequence[int]:
        """Return up to which number each slot's hits are in the file; empty if these were another blockd's counters."""
        row = self._connection.execute("SELECT slots FROM marks WHERE owner = ? AND one = 1", (owner,)).fetchone()
        if row is None:
            return ()
        try:
            octets = zlib.decompressobj().decompress(bytes(row[0]), MAX_BUCKET)
            return struct.unpack(f"<{len(octets) // 8}Q", octets)
        except (zlib.error, struct.error, TypeError) as error:
            raise sqlite3.DatabaseError(f"its marks are damaged: {error}") from error

    def mark(self, owner: str, slots: Sequence[int]) -> None:
        """Note up to which number each slot's hits are in the file."""
        octets = zlib.compress(struct.pack(f"<{len(slots)}Q", *slots), 1)
        self._connection.execute("REPLACE INTO marks VALUES (1, ?, ?)", (owner, octets))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _orders(self) -> Iterator[tuple[int, str, str]]:
        yield from self._connection.execute("SELECT number, feed, called FROM orders")

    def _number(self, name: OrderName, authority: str, now: int) -> int:
        execute = self._connection.execute
        row = execute("SELECT number, authority FROM orders WHERE feed = ? AND called = ?", name).fetchone()
        if row is None:
            query = "INSERT INTO orders (feed, called, authority, seen) VALUES (?, ?, ?, ?)"
            made = execute(query, (*name, authority, now))
            return int(made.lastrowid or 0)
        execute("UPDATE orders SET seen = ?, authority = ? WHERE number = ?", (now, authority or row[1], row[0]))
        return int(row[0])

    def _forget_orders(self) -> None:
        """Remove the orders that were hit longest ago, if there are too many."""
        oldest = "SELECT number FROM orders ORDER BY seen DESC, number LIMIT -1 OFFSET ?"
        self._connection.execute(f"DELETE FROM orders WHERE number IN ({oldest})", (MAX_ORDERS,))  # noqa: S608

    def _unpacked(self, step: int, time: int) -> Iterator[tuple[int, int]]:
        row = self._connection.execute("SELECT counts FROM hits WHERE step = ? AND time = ?", (step, time)).fetchone()
        if row is None:
            return
        try:
            octets = zlib.decompressobj().decompress(bytes(row[0]), MAX_BUCKET)
            count = len(octets) // 12
            numbers = struct.unpack(f"<{count}I{count}Q", octets)
        except (zlib.error, struct.error, TypeError) as error:
            raise sqlite3.DatabaseError(f"its hits are damaged: {error}") from error
        yield from zip(numbers[:count], numbers[count:], strict=True)

    def _prune(self, table: str, step: int, most: int) -> None:
        self._connection.execute(
            f"DELETE FROM {table} WHERE step = ? AND time <= "  # noqa: S608 - our own words
            f"(SELECT time FROM {table} WHERE step = ? ORDER BY time DESC LIMIT 1 OFFSET ?)",
            (step, step, most),
        )
