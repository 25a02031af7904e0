"""The audit log's file: SQLite in WAL mode, with the records and the evidence that they name.

records     number, octets (canonical, see `chain`), hash; time, kind, feed and name are repeated for searching
evidence    each file that proves a version, once, by the SHA-256 of its octets; compressed with zlib if that helps

Triggers refuse every UPDATE and DELETE, also to other tools. Changes made in spite of them are
detected by the chain. The file is not rotated. A version from a signed repository of 50 orders takes about 10 KB,
so ten years of daily versions take 40 MB; with 2,000 orders it is about 90 KB for each, and 330 MB.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blockd.audit.chain import Head, Record, chained, parse_record
from blockd.audit.schema import EVERYTHING, INDEXES, lacking
from blockd.errors import AuditError
from blockd.orders import OrderKey
from blockd.orders.repository import MAX_DOCUMENT
from blockd.printable import unproved
from blockd.settings.feeds import OVERRIDES
from blockd.times import moment_text

PACKED = 4 << 10  # octets above which a file is compressed
BUSY = 5000  # milliseconds to wait for another program that holds the file
NAMED = {
    "order": "order",
    "override": "order",
    "override-ended": "order",
    "refused": "order",
    "good-again": "order",
}  # the member of a body that a record is found by
_ROLE = "coalesce(json_extract(CAST(octets AS TEXT), '$.body.role'), '')"  # of the authority whose order it is

LATEST = "9999"  # later than every time

# Each query is answered by an index; a test looks at its plan.
LAST_NUMBER = (
    "SELECT max(number) FROM (SELECT number, time FROM records WHERE number >= ? ORDER BY number LIMIT ?) "
    "WHERE time <= ?"
)
LAST_OF_KIND = "SELECT octets FROM records WHERE kind = ? AND time <= ? ORDER BY number DESC LIMIT 1"
NEWEST_BETWEEN = (  # with marks for the kinds
    "SELECT octets FROM records INDEXED BY by_time WHERE time >= ? AND time <= ? AND kind IN ({}) "
    "ORDER BY time DESC, number DESC"
)
STATE_OF = (
    "SELECT octets FROM records INDEXED BY by_name WHERE name = ? AND name != '' "  # noqa: S608 - our own words
    "AND feed = ? AND kind = 'order' "
    f"AND time <= ? AND {_ROLE} = ? ORDER BY number DESC LIMIT 1"
)
TURNS_OF = (
    "SELECT octets FROM records INDEXED BY by_name WHERE name = ? AND name != '' "  # noqa: S608 - our own words
    f"AND feed = ? AND kind = 'order' AND {_ROLE} = ? "
    "AND json_extract(CAST(octets AS TEXT), '$.body.since') = time ORDER BY number DESC LIMIT ?"
)
LAST_STATES = (
    "SELECT octets FROM records WHERE number IN "  # noqa: S608 - our own words
    f"(SELECT max(number) FROM records WHERE kind = 'order' AND time <= ? GROUP BY name, feed, {_ROLE})"
)
WITH_ID = f"SELECT DISTINCT kind, feed, {_ROLE} FROM records WHERE name = ? AND name != ''"  # noqa: S608


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What is to be recorded; `evidence` holds octets that its body names by their SHA-256."""

    at: float  # seconds since the epoch
    kind: str
    body: Mapping[str, Any]
    evidence: Sequence[bytes] = field(default=())


class Database:
    """An open file. Methods raise sqlite3.Error if SQLite does, and AuditError if the content is wrong.

    They raise UnicodeError if SQLite's own message about a damaged file is not valid text.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.text_factory = _text
        connection.execute(f"PRAGMA busy_timeout = {BUSY}")

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the file for appending; create it if it is missing."""
        for beside in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if beside.is_symlink() or (beside.exists() and not beside.is_file()):  # SQLite would open what it leads to
                raise AuditError(f"{beside} is not a regular file")
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            database = cls(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                connection.executescript("BEGIN;" + "".join(f"{sql};" for sql in EVERYTHING.values()) + "COMMIT;")
            for index in database.check_schema():
                connection.execute(INDEXES[index])
        except BaseException:
            connection.close()
            raise
        return database

    @classmethod
    def read(cls, path: Path) -> Database:
        """Open the file read-only, whether or not a daemon is running; raises AuditError if it cannot be read."""
        if not path.is_file():
            raise AuditError(f"there is no audit log at {path}; `blockd run` creates one.")
        if not os.access(path, os.R_OK):
            raise AuditError(f"permission denied: {path} is for root and the user that blockd runs as.")
        still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        try:
            place = f"{path.absolute().as_uri()}?mode=ro{still}"
            connection = sqlite3.connect(place, uri=True, isolation_level=None)
            try:
                database = cls(connection)
                database.check_schema()
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, AuditError, UnicodeError) as error:
            raise AuditError(f"{path} cannot be read as an audit log: {error}.") from error
        return database

    def hold(self) -> None:
        """Begin a read transaction: later reads see the log as it is now."""
        self._connection.execute("BEGIN")

    def check_schema(self) -> tuple[str, ...]:
        """Return the indexes that a log of an earlier version lacks; raises AuditError as `schema.lacking` does."""
        return lacking(dict(self._connection.execute("SELECT name, sql FROM sqlite_master").fetchall()))

    def check_indexes(self) -> None:
        """Raise AuditError if an index does not lead to the very rows that there are, or a page is damaged."""
        found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise AuditError(f"the file is damaged: {unproved('; '.join(found))}.")

    def head(self) -> Head:
        """Return the end of the chain; raises AuditError if its last record does not match its hash."""
        row = self._connection.execute(
            "SELECT number, octets, hash FROM records ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return Head()
        number, octets, digest = row[0], _octets(row[1]), _octets(row[2])
        before = self.hash_of(number - 1) if number > 1 else Head().hash
        if before is None or parse_record(octets).number != number or chained(before, octets) != digest:
            raise AuditError(f"record {number}, the last one, does not match its hash")
        return Head(number, digest)

    def hash_of(self, number: int) -> bytes | None:
        """Return the hash of a record; None if there is none."""
        row = self._connection.execute("SELECT hash FROM records WHERE number = ?", (number,)).fetchone()
        return _octets(row[0]) if row else None

    def link(self, number: int) -> tuple[bytes, bytes]:
        """Return the octets and the hash of a record; raises AuditError if there is none."""
        row = self._connection.execute("SELECT octets, hash FROM records WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise AuditError(f"record {number} is missing.")
        return _octets(row[0]), _octets(row[1])

    def numbers(self, start: int, until: float, count: int) -> range:
        """Return the numbers from `start` to the last record at or before a time, or the first `count` of them."""
        last = self._connection.execute(LAST_NUMBER, (start, count, moment_text(until))).fetchone()[0]
        return range(start, min(start if last is None else last, start + count - 1) + 1)

    def append(self, entries: Sequence[LogEntry], head: Head) -> Head:
        """Append records after `head`, all or none, and return the new end; they are on disk then."""
        rows = []
        for entry in entries:
            record = Record(head.number + 1, moment_text(entry.at), entry.kind, entry.body)
            octets = record.octets
            head = Head(record.number, chained(head.hash, octets))
            feed, name = str(entry.body.get("feed", "")), str(entry.body.get(NAMED.get(entry.kind, ""), ""))
            rows.append((head.number, record.time, record.kind, feed, name, octets, head.hash))
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                for octets in entry.evidence:
                    self._keep(octets)
            self._connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise
        return head

    def rows(self, after: int = 0) -> Iterator[tuple[int, str, str, str, str, bytes, bytes]]:
        """Yield every row of `records` with a number above `after`, in order and unchecked."""
        yield from self._connection.execute("SELECT * FROM records WHERE number > ? ORDER BY number", (after,))

    def find(
        self,
        *,
        kinds: Sequence[str] = (),
        feed: str = "",
        name: str = "",
        since: float = 0.0,
        until: float | None = None,
    ) -> Iterator[Record]:
        """Yield the records that match every criterion, in order; raises AuditError."""
        query, values = search(kinds, feed, name, since, until)
        for (octets,) in self._connection.execute(query, values):
            yield parse_record(octets)

    def record(self, number: int) -> Record:
        """Return a record; raises AuditError if there is none."""
        return parse_record(self.link(number)[0])

    def first(self, kind: str, after: float) -> Record | None:
        """Return the oldest record of a kind after a time."""
        later = moment_text(after)
        return next((one for one in self.find(kinds=(kind,), since=after) if one.time > later), None)

    def last(self, kind: str, until: float | None = None) -> Record | None:
        """Return the newest record of a kind, at or before a time."""
        row = self._connection.execute(LAST_OF_KIND, (kind, LATEST if until is None else moment_text(until))).fetchone()
        return parse_record(row[0]) if row else None

    def state_of(self, order: OrderKey, until: float) -> Record | None:
        """Return the newest record of an order's state, at or before a time."""
        row = self._connection.execute(STATE_OF, (order.id, order.feed, moment_text(until), order.role)).fetchone()
        return parse_record(row[0]) if row else None

    def turns_of(self, order: OrderKey, count: int) -> list[Record]:
        """Return the newest `count` records in which an order came into another state, the oldest first."""
        rows = self._connection.execute(TURNS_OF, (order.id, order.feed, order.role, count))
        return [parse_record(octets) for (octets,) in rows][::-1]

    def orders(self, identifier: str) -> list[OrderKey]:
        """Return the keys of all orders and overrides with an id, in ascending order."""
        found = self._connection.execute(WITH_ID, (identifier,))
        return sorted({OrderKey(_feed_of(kind, feed), role, identifier) for kind, feed, role in found})

    def last_states(self, until: float | None = None) -> Iterator[Record]:
        """Yield the newest record of each order, at or before a time if one is given."""
        for (octets,) in self._connection.execute(LAST_STATES, (LATEST if until is None else moment_text(until),)):
            yield parse_record(octets)

    def newest(self, kinds: Sequence[str], count: int) -> list[Record]:
        """Return the last `count` records of the given kinds, the oldest first."""
        query = f"SELECT octets FROM records WHERE kind IN ({', '.join('?' * len(kinds))}) ORDER BY number DESC LIMIT ?"  # noqa: S608
        return [parse_record(octets) for (octets,) in self._connection.execute(query, (*kinds, count))][::-1]

    def newest_between(self, kinds: Sequence[str], since: float, until: float) -> Iterator[bytes]:
        """Yield the octets of the records of the given kinds from one time to another, the newest first."""
        query = NEWEST_BETWEEN.format(", ".join("?" * len(kinds)))
        for (octets,) in self._connection.execute(query, (moment_text(since), moment_text(until), *kinds)):
            yield _octets(octets)

    def evidence(self, digest: str) -> bytes | None:
        """Return the octets with a SHA-256; None if they are not kept. Raises AuditError if they are damaged."""
        row = self._connection.execute(
            "SELECT size, packed, octets FROM evidence WHERE digest = ?", (digest,)
        ).fetchone()
        return None if row is None else unpacked(digest, *row)

    def size_of_evidence(self, digest: str) -> int:
        """Return how many octets the file with a SHA-256 has; 0 if it is not kept. They are not read."""
        row = self._connection.execute("SELECT size FROM evidence WHERE digest = ?", (digest,)).fetchone()
        return int(row[0]) if row else 0

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file of evidence."""
        for (digest,) in self._connection.execute("SELECT digest FROM evidence"):
            yield str(digest)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _keep(self, octets: bytes) -> None:
        if len(octets) > MAX_DOCUMENT:
            raise AuditError(f"a file of {len(octets)} octets is too large to be kept as evidence")
        digest = hashlib.sha256(octets).hexdigest()
        if self._connection.execute("SELECT 1 FROM evidence WHERE digest = ?", (digest,)).fetchone():
            return
        packed = zlib.compress(octets) if len(octets) > PACKED else octets
        kept = packed if len(packed) < len(octets) else octets
        self._connection.execute(
            "INSERT INTO evidence VALUES (?, ?, ?, ?)", (digest, len(octets), int(kept is not octets), kept)
        )


def search(kinds: Sequence[str], feed: str, name: str, since: float, until: float | None) -> tuple[str, list[str]]:
    """Return the query for records that match every criterion, in order, with its values."""
    wanted: list[str] = []
    values: list[str] = []
    if since or until is not None:  # both bounds: with one of them SQLite would rather read everything
        wanted.append("time >= ? AND time <= ?")
        values += [moment_text(since), LATEST if until is None else moment_text(until)]
    if kinds:
        wanted.append(f"kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    for column, value in (("feed", feed), ("name", name)):
        if value:
            wanted.append(f"{column} = ? AND {column} != ''")  # the index has no row without one
            values.append(value)
    where = f"WHERE {' AND '.join(wanted)} " if wanted else ""
    return f"SELECT octets FROM records {where}ORDER BY number", values  # noqa: S608 - our own words


def key_of(record: Record) -> OrderKey:
    """Return the key of the order or the override that a record is about; raises KeyError if it is about none."""
    body = record.body
    return OrderKey(_feed_of(record.kind, str(body.get("feed", ""))), str(body.get("role", "")), str(body["order"]))


def _feed_of(kind: str, feed: str) -> str:
    return OVERRIDES if kind.startswith("override") else feed


def unpacked(digest: str, size: int, packed: int, octets: bytes) -> bytes:
    """Return a file of evidence uncompressed, at most as long as allowed; raises AuditError if its digest differs."""
    if not isinstance(octets, bytes) or type(size) is not int or size < 0:
        raise AuditError(f"the evidence {digest[:16]}… is damaged: its columns have the wrong types")
    whole = octets
    if packed:
        reader = zlib.decompressobj()
        try:
            whole = reader.decompress(octets, min(size, MAX_DOCUMENT) + 1)
        except zlib.error as error:
            raise AuditError(f"the evidence {digest[:16]}… is damaged: {error}") from error
    if hashlib.sha256(whole).hexdigest() != digest:
        raise AuditError(f"the evidence {digest[:16]}… is damaged: its digest does not match")
    return whole


def _text(octets: bytes) -> str:
    """Decode a text of the file; damaged octets are replaced, which is no error."""
    return octets.decode("utf-8", "replace")


def _octets(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise AuditError("a record or a hash is not a BLOB")
    return value
