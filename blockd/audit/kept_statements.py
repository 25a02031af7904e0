"""The statements that a node keeps, compared with the records of its log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blockd.audit.chain import Head, Record
from blockd.audit.statement import KEY, MAX_STATEMENT, OtherKey, kept_statements, read_key, verify_statement
from blockd.errors import AuditError
from blockd.files import read_kept


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """What one kept statement says: the head of the log then, and the version in force, None if none was."""

    name: str
    sha256: str
    head: Head
    version: object = None
    digest: object = None

    @property
    def words(self) -> str:
        """What a sentence calls it."""
        return f"the statement {self.name}"


def read_statements(folder: Path) -> tuple[list[KeptStatement], list[str], list[str]]:
    """Return the statements that a node keeps, notes on those that cannot be compared, and what is wrong with others.

    A statement that an earlier key of the node signed is not compared. One that is damaged or was changed is wrong.
    """
    paths = kept_statements(folder)
    found, notes, wrong = [], [], []
    try:
        key = read_key(folder / KEY).public_key()
    except (OSError, AuditError) as error:
        return [], [f"The statements kept are not compared: {error}"] if paths else [], []
    for path in paths:
        try:
            octets = read_kept(path, MAX_STATEMENT)
            signed: dict[str, Any] = verify_statement(octets, key)
        except OtherKey as error:
            notes.append(f"The statement {path.name} is not compared: {error}")
        except (OSError, AuditError) as error:
            wrong.append(f"the statement {path.name} is damaged or was changed: {error}")
        else:
            digest = hashlib.sha256(octets).hexdigest()
            head = Head.from_json(signed["audit"])
            found.append(KeptStatement(path.name, digest, head, signed.get("version"), signed.get("digest")))
    return found, notes, wrong


class StatementCheck:
    """Compares statements with the records as they are read, from the first to the last."""

    def __init__(self, statements: Sequence[KeptStatement]) -> None:
        """Begin before the first record."""
        self._by_number: dict[int, list[KeptStatement]] = {}
        for one in statements:
            self._by_number.setdefault(one.head.number, []).append(one)
        self._sums = {one.name: one.sha256 for one in statements}
        self._unrecorded = set(self._sums)
        self._is_first_chain = True  # statements of a log that was set aside have no records in this one
        self._in_force: tuple[object, object] = (None, None)

    def follow(self, record: Record) -> None:
        """Take the next record; raises AuditError if a statement contradicts it."""
        body = record.body
        if record.kind == "new-chain":
            self._is_first_chain = False
        elif record.kind == "enforced":
            self._in_force = body.get("version"), body.get("digest")
        elif record.kind == "lost" or (record.kind == "gap" and body.get("lost") != 0):
            self._in_force = (None, None)  # it may have changed in what is missing
        elif record.kind == "statement" and (name := str(body.get("file"))) in self._sums:
            self._unrecorded.discard(name)
            if body.get("sha256") != self._sums[name]:
                raise AuditError(f"it names the statement {name} by another SHA-256 than the one that is kept.")
        for one in self._by_number.get(record.number, ()):
            if one.version is not None and self._in_force[0] is not None and self._differs(one):
                raise AuditError(
                    f"{one.words} says that version {one.version} was in force here, and the log version "
                    f"{self._in_force[0]}."
                )

    def finish(self) -> None:
        """Take the end of the log; raises AuditError if a statement was kept that no record names."""
        if self._unrecorded and self._is_first_chain:
            raise AuditError(f"no record names the statement {min(self._unrecorded)}, which is kept.")

    def _differs(self, one: KeptStatement) -> bool:
        return (one.version, one.digest) != self._in_force
