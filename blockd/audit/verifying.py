"""Verifying a whole audit log: chain, numbers, evidence, and the signatures behind each version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blockd.audit.chain import Head, Record, chained, parse_record
from blockd.audit.database import NAMED, Database
from blockd.audit.evidence import digests_of, parts_of, proof_of
from blockd.audit.kept_statements import KeptStatement, StatementCheck
from blockd.audit.log import DATABASE, read_head
from blockd.errors import AuditError

Progress = Callable[[int], None]


@dataclass(slots=True)
class Verified:
    """Result of a verification. `problem` is a sentence, empty if there is none; `wrong` is the first bad record."""

    records: int = 0
    head: Head = field(default_factory=Head)
    proved: int = 0  # lists whose signatures were verified
    wrong: int | None = None
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "ok": not self.problem,
            "records": self.records,
            "head": self.head.to_json(),
            "signed_lists_proved": self.proved,
            "wrong_record": self.wrong,
            "problem": self.problem or None,
            "notes": self.notes,
        }


def verify_log(
    path: Path,
    roots: Mapping[str, Sequence[bytes]] | None,
    given: Sequence[bytes] = (),
    heads: Mapping[str, Head] | None = None,
    statements: Sequence[KeptStatement] = (),
    progress: Progress = lambda _: None,
) -> Verified:
    """Verify the log at `path` from its first record to its last.

    `roots` are the roots of trust by feed, `given` are more of them for any feed; with None and no more of them no
    signature is verified. Each of `heads`, keyed by where it is
    from, must be in the log; so must the head beside `path`, if there is one, and what `statements` say. Raises
    AuditError if the file is not an audit log at all.
    """
    database = Database.read(path)
    try:
        return _verified(database, path, roots, given, heads or {}, statements, progress)
    finally:
        database.close()


def _verified(
    database: Database,
    path: Path,
    roots: Mapping[str, Sequence[bytes]] | None,
    given: Sequence[bytes],
    heads: Mapping[str, Head],
    statements: Sequence[KeptStatement],
    progress: Progress,
) -> Verified:
    result = Verified()
    seen: dict[str, Head] = {}
    wanted = {**heads, **{it.words: it.head for it in statements}}
    stated = StatementCheck(statements)
    if path.name == DATABASE and (beside := read_head(path.parent)) is not None and beside.number:
        wanted["the file audit.head"] = beside
    by_number: dict[int, list[str]] = {}
    for words, head in wanted.items():
        by_number.setdefault(head.number, []).append(words)
    named: set[str] = set()
    proved: set[tuple[str, str]] = set()
    try:
        database.hold()
        for row in database.rows():
            result.wrong = result.records + 1
            record = _linked(row, result.head)
            result.head = Head(record.number, row[6])
            for words in by_number.get(record.number, ()):
                if wanted[words].hash != row[6]:
                    raise AuditError(f"it differs from the one that {words} names.")
                seen[words] = result.head
            stated.follow(record)
            _prove(record, database, roots, given, result, named, proved)
            result.records += 1
            progress(result.records)
        result.wrong = None
        stated.finish()
        for words, head in wanted.items():
            if words not in seen:
                raise AuditError(f"the log ends with record {result.records}, and {words} names number {head.number}.")
        database.check_indexes()
        for digest in database.digests():
            database.evidence(digest)
            if digest not in named:
                raise AuditError(f"the evidence {digest[:16]}… is not named by any record.")
    except AuditError as error:
        result.problem = str(error)
    except (sqlite3.Error, UnicodeError) as error:
        result.problem = f"the file is damaged: {error}."
    return result


def _linked(row: tuple[int, str, str, str, str, bytes, bytes], head: Head) -> Record:
    """Check one row against the chain so far; raises AuditError."""
    number, time, kind, feed, name, octets, digest = row
    if number != head.number + 1:
        raise AuditError(f"number {head.number + 1} is missing; number {number} follows.")
    if not isinstance(octets, bytes) or not isinstance(digest, bytes):
        raise AuditError("it is not stored as a BLOB.")
    if chained(head.hash, octets) != digest:
        raise AuditError("its hash does not match the record before and its own octets.")
    record = parse_record(octets)
    body = record.body
    columns = (record.number, record.time, record.kind, str(body.get("feed", "")))
    if columns != (number, time, kind, feed) or str(body.get(NAMED.get(kind, ""), "")) != name:
        raise AuditError("its columns differ from the record itself.")
    return record


def _prove(
    record: Record,
    database: Database,
    roots: Mapping[str, Sequence[bytes]] | None,
    given: Sequence[bytes],
    result: Verified,
    named: set[str],
    proved: set[tuple[str, str]],
) -> None:
    """Verify the evidence that a record names, each once; raises AuditError."""
    if record.kind == "start":
        kept = record.body.get("roots")
        if isinstance(kept, dict):
            named.update(map(str, kept.values()))
    for part in parts_of(record):
        if part["proof"] is None:
            continue
        key = (part["name"], part["proof"]["manifest"])
        if key in proved:
            continue
        proved.add(key)
        named.add(key[1])
        named.update(digests_of(key[1], database.evidence).values())
        if roots is None and not given:
            continue
        proof = proof_of(part, record, database.evidence, [*given, *(roots or {}).get(part["name"], ())])
        if proof is not None:
            result.proved += 1
            result.notes += [f"record {record.number}: {note}" for note in proof.notes]
