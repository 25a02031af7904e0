"""The audit log while the daemon runs: records are queued and written by a thread, so that nothing waits for them.

audit.db                   the log (`blockd.audit.database`)
audit.head                 number and hash of its last record, so that a truncated log is detected
audit.alive                when this blockd was last seen alive, so that a crash, which leaves no record, can be dated
audit.db.damaged-TIME      a damaged log, set aside

If writing fails, enforcement goes on. An alarm is raised, and the records wait in memory until they can be written,
evidence as far as there is room for it; a record `gap` says so once they are. The log leaves some of the disk free for
lists and rulesets.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blockd.audit.chain import Head
from blockd.audit.database import Database, LogEntry
from blockd.audit.gap import ALIVE, Gap, life_text
from blockd.errors import AuditError
from blockd.files import descriptor_of_kept, identity_of, read_kept, replace_file

DATABASE, HEAD = "audit.db", "audit.head"
MAX_WAITING = 20_000  # records in memory while they cannot be written: two versions of the largest repository
MAX_EVIDENCE_WAITING = 320 << 20  # octets of evidence in memory meanwhile: one version of the largest repository
MAX_BATCH = 1_000  # records in one transaction
MAX_HEAD = 1024  # octets of the file audit.head
SIGN_OF_LIFE = 10.0  # seconds from one sign of life to the next
RETRY = 5.0  # seconds after which writing is tried again
CLOSING = 3.0  # seconds allowed for the last records; the supervisor waits a little longer

MISSING = "the file is gone"
REPLACED = "another file was put in its place while it was written"
FOREIGN = "it has records that another program has written"

log = logging.getLogger(__name__)


class AuditLog:
    """The log in `folder`. `failure` is a sentence while writing fails, `damage` once a log was set aside.

    `short` says why the disk has no room for evidence, empty if it has.
    """

    def __init__(
        self, folder: Path, clock: Callable[[], float] = time.time, short: Callable[[], str] = lambda: ""
    ) -> None:
        self.folder = folder
        self._short = short
        self._gap = Gap.read(folder)
        self.failure = ""
        self.damage = ""
        self.failures = 0
        self.head = Head()
        self._clock = clock
        self._queue: queue.Queue[LogEntry | None] = queue.Queue(MAX_WAITING)
        self._lost = 0
        self._evidence_waiting = 0  # octets
        self._waiting = 0  # records not yet written
        self._counting = threading.Condition()
        self._database: Database | None = None
        self._file: tuple[int, int] | None = None  # device and inode of the file that is open
        self._signs = 0.0  # when the next sign of life is due, by the monotonic clock
        self._thread: threading.Thread | None = None

    @property
    def trouble(self) -> str:
        """What an operator must know of now; empty if nothing."""
        return self.failure or self.damage

    def begin(self, remember: Callable[[Database], None] | None = None) -> None:
        """Open the log, or set a damaged one aside, and start writing. `remember` may read it first."""
        self._commit([])
        if remember is not None and self._database is not None:
            try:
                remember(self._database)
            except (sqlite3.Error, AuditError, KeyError, TypeError, AttributeError) as error:
                self._failed(f"its earlier records cannot be read ({error})")
        self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
        self._thread.start()

    def write(
        self, kind: str, body: Mapping[str, Any], evidence: Sequence[bytes] = (), at: float | None = None
    ) -> None:
        """Queue a record, as of `at` or now; returns at once and never raises."""
        entry = LogEntry(self._clock() if at is None else at, kind, body, evidence)
        self._count(_octets_of(entry), 1)
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            self._count(-_octets_of(entry), -1)
            self._lost += 1

    def unwritten(self) -> str:
        """Say why `head` does not stand for all records, or why there is no room for evidence; empty if neither."""
        if self.failure:
            return self.failure
        if why := self._short():
            return f"There is no room for it: {why}."
        return "The audit log has not been written yet; try again." if self._waiting else ""

    def wait(self, seconds: float) -> None:
        """Wait until all records are written, that fails, or the time is over; call it from a thread."""
        with self._counting:
            self._counting.wait_for(lambda: not self._waiting or bool(self.failure), seconds)

    def has_room(self, evidence: Iterable[bytes]) -> bool:
        """Return whether there is room in memory for more evidence; if not, the record is written without it."""
        has_room = self._evidence_waiting + sum(map(len, evidence)) <= MAX_EVIDENCE_WAITING and not self._queue.full()
        if not has_room and self._gap is not None:
            self._gap.without_evidence += 1
        return has_room

    def close(self) -> None:
        """Write the queued records and stop; what cannot be written within CLOSING is lost, which is logged."""
        if self._thread is not None:
            deadline = time.monotonic() + CLOSING
            try:
                self._queue.put(None, timeout=CLOSING)
            except queue.Full:
                log.error("The audit log is incomplete: %d records could not be written.", self._queue.qsize())
            self._thread.join(max(0.0, deadline - time.monotonic()))
            if self._thread.is_alive():
                log.error("The audit log was not closed in time; its last records may be missing.")

    def _write_all(self) -> None:
        waiting: list[LogEntry] = []
        is_over = False
        while not is_over:
            try:
                waiting.append(self._taken(RETRY if waiting else SIGN_OF_LIFE))
                while len(waiting) < MAX_BATCH:
                    waiting.append(self._taken(0.0))
            except queue.Empty:
                pass
            except StopIteration:
                is_over = True
            self._show_life()
            if self._commit(waiting):
                self._count(-sum(map(_octets_of, waiting)), -len(waiting))
                waiting = []
            elif len(waiting) >= MAX_BATCH and not is_over:
                time.sleep(RETRY)  # the rest waits in the queue
        if waiting:
            log.error("The audit log is incomplete: %d records could not be written.", len(waiting))
        if self._database is not None:
            self._database.close()

    def _show_life(self, *, at_once: bool = False) -> None:
        """Overwrite what is in audit.alive if that is due, or `at_once`; a failure is ignored."""
        if not at_once and time.monotonic() < self._signs:
            return
        self._signs = time.monotonic() + SIGN_OF_LIFE
        with contextlib.suppress(OSError):
            descriptor = descriptor_of_kept(self.folder / ALIVE, os.O_WRONLY | os.O_CREAT)
            try:
                os.pwrite(descriptor, life_text(self._clock(), self._gap), 0)
            finally:
                os.close(descriptor)

    def _count(self, octets: int, records: int) -> None:
        with self._counting:
            self._evidence_waiting += octets
            self._waiting += records
            self._counting.notify_all()

    def _taken(self, seconds: float | None) -> LogEntry:
        entry = self._queue.get(block=seconds != 0.0, timeout=seconds or None)
        if entry is None:
            raise StopIteration
        return entry

    def _commit(self, entries: Sequence[LogEntry]) -> bool:
        """Write entries; return whether that succeeded. A damaged database is set aside, and they begin a new one."""
        for _ in range(2):
            try:
                self._append(entries)
            except sqlite3.OperationalError as error:
                return self._failed(str(error))
            except (sqlite3.DatabaseError, AuditError, UnicodeError) as error:
                why = FOREIGN if isinstance(error, sqlite3.IntegrityError) else str(error)
                try:
                    self._set_aside(why)
                except (OSError, sqlite3.Error) as blocked:
                    return self._failed(f"it is damaged ({why}) and cannot be set aside: {blocked}")
            except OSError as error:
                return self._failed(str(error))
            except Exception as error:
                log.exception("The audit log failed because of an internal error in blockd. Please report it.")
                return self._failed(str(error))
            else:
                if self.failure:
                    log.warning("The audit log can be written again.")
                self.failure = ""
                return True
        return self._failed("it is damaged, and so is the new one")

    def _append(self, entries: Sequence[LogEntry]) -> None:
        if self._database is None:
            self._database = self._opened()
        elif self._file != (now := identity_of(self.folder / DATABASE)):
            self.folder.stat()  # if that is out of reach as well, the records wait
            raise AuditError(REPLACED if now is not None else MISSING)
        if self._lost:
            entries = [*entries, LogEntry(self._clock(), "lost", {"records": self._lost})]
        if not entries:
            return
        if why := self._short():
            raise OSError(why)
        if self._gap is not None:
            entries = [
                *entries,
                LogEntry(self._clock(), "gap", self._gap.told(self._clock(), len(entries), self._lost)),
            ]
        self.head = self._database.append(entries, self.head)
        self._lost = 0
        if self._gap is not None:
            self._gap = None
            self._show_life(at_once=True)
        replace_file(self.folder / HEAD, json.dumps(self.head.to_json()).encode())

    def _opened(self) -> Database:
        path = self.folder / DATABASE
        if path.exists() and not path.is_file():
            raise AuditError(f"{path} is not a regular file")
        last = read_head(self.folder)
        if last is not None and last.number and not path.exists():
            raise AuditError(MISSING)
        database = Database.open(path)
        try:
            head = database.head()
            if last is not None and last.number > head.number:
                raise AuditError(
                    f"it ends with record {head.number}, and {HEAD} names record {last.number}: its end was cut off, "
                    "or the two are of different times"
                )
            if last is not None and last.number and database.hash_of(last.number) != last.hash:
                raise AuditError(f"its record {last.number} is another than {HEAD} names: it was altered or replaced")
        except BaseException:
            database.close()
            raise
        self.head = head
        self._file = identity_of(path)
        return database

    def _set_aside(self, why: str) -> None:
        """Move a damaged log away, and begin a new one whose first record says so."""
        if self._database is not None:
            self._database.close()
            self._database = None
        known = max(self.head, read_head(self.folder) or Head(), key=lambda head: head.number)
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        aside = f"{DATABASE}.damaged-{moment}"
        count = 0
        while (self.folder / aside).exists():
            count += 1
            aside = f"{DATABASE}.damaged-{moment}-{count}"
        moved: list[str] = []
        for suffix in ("", "-wal", "-shm"):
            path = self.folder / f"{DATABASE}{suffix}"
            if path.exists() or path.is_symlink():
                path.rename(self.folder / f"{aside}{suffix}")
                moved.append(f"{aside}{suffix}")
        (self.folder / HEAD).unlink(missing_ok=True)
        self.damage = f"The audit log was damaged ({why}) and set aside as {aside}; a new one was begun."
        if aside not in moved:
            left = f" What was left of it was set aside as {' and '.join(moved)}." if moved else ""
            self.damage = f"The audit log {self.folder / DATABASE} was missing; a new one was begun.{left}"
        self.failures += 1
        log.error("%s Enforcement does not depend on it.", self.damage)
        self._database = Database.open(self.folder / DATABASE)
        self._file = identity_of(self.folder / DATABASE)
        body = {"why": why, "set_aside": moved[0] if moved else None, "last_known": known.to_json()}
        first = LogEntry(self._clock(), "new-chain", body)
        self.head = Head()
        self.head = self._database.append([first], self.head)

    def _failed(self, why: str) -> bool:
        sentence = f"The audit log cannot be written: {why}. Enforcement goes on; records wait in memory."
        self.failures += 1
        if self._gap is None:
            self._gap = Gap(self._clock(), why)
            self._show_life(at_once=True)
        if sentence != self.failure:
            log.error("%s", sentence)
        with self._counting:
            self.failure = sentence
            self._counting.notify_all()
        return False


def _octets_of(entry: LogEntry) -> int:
    return sum(map(len, entry.evidence))


def read_head(folder: Path) -> Head | None:
    """Return the head that is kept beside the log; None if it is missing or unreadable."""
    try:
        return Head.from_json(json.loads(read_kept(folder / HEAD, MAX_HEAD)))
    except (OSError, ValueError, RecursionError, AuditError):
        return None
