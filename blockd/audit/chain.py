r"""One record of the audit log, as octets and as a link of the chain.

A record is a JSON object with exactly the members `number` (1, 2, … without a gap), `time` (UTC, RFC 3339 with
milliseconds, as `2026-11-24T12:00:00.250Z`), `kind` (a word of KINDS) and `body` (an object, whose members depend on
the kind). Its octets are that object in canonical form: members sorted by name, no blanks, `,` and `:` between, all
that is outside of ASCII escaped as \uXXXX in small hexadecimal, no line feed at the end. Its hash is

    SHA-256( hash of the record before, 32 octets || octets of the record )

where the record before number 1 has the hash of 32 zero octets. Numbers follow the writing; a record's time is that of
the event, which may be a little earlier than that of a record before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blockd.errors import AuditError
from blockd.times import moment_from_text

KINDS = {
    "start": "the control process started: blockd, engine, config, workers; when one that left no stop was last alive",
    "stop": "it was stopped in order",
    "new-chain": "a damaged log was set aside, and this one was begun",
    "lost": "records could not be kept because of disk errors",
    "gap": "nothing could be written for a time; its records came late, or are lost",
    "enforced": "a version was enforced by every worker",
    "taken-back": "a version was not enforced or was taken back at once, and why",
    "order": "an order or its state changed for every worker",
    "evidence": "evidence for content that is already enforced",
    "refused": "new content was refused: of a feed, by it or by the gate; of one authority; or one order, alone",
    "accept": "an operator takes content that the gate had refused, once",
    "good-again": "a refused feed, authority or order is no longer refused, and how often it was",
    "reload": "the config on disk was taken, or not, and why; who had it reloaded, and what changed",
    "rollback": "an operator went back to a version",
    "release": "an operator released the version",
    "override": "an operator overrides orders for a name",
    "override-ended": "an operator ended an override before its time",
    "gate-release": "an operator lets an entry through that the gate holds back",
    "gate-hold": "an operator has it held back again",
    "refresh": "an operator had feeds fetched",
    "flush": "an operator had what is cached removed",
    "token": "a token was made, changed or removed: its name and role, and who made it",
    "self-test": "how the workers answered after a swap",
    "statement": "a statement of enforcement was signed",
}
START = bytes(32)  # the hash before the first record
MAX_RECORD = 4 << 20  # octets; a version with a thousand feeds has a tenth of it


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    number: int
    time: str
    kind: str
    body: Mapping[str, Any]

    @property
    def octets(self) -> bytes:
        """The record in canonical form."""
        return canonical({"number": self.number, "time": self.time, "kind": self.kind, "body": self.body})

    @property
    def at(self) -> float:
        """The time of the event in seconds since the epoch."""
        return moment_from_text(self.time)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the number of its last record, 0 for none, and its hash."""

    number: int = 0
    hash: bytes = START

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values; `from_json` reads them back."""
        return {"number": self.number, "hash": self.hash.hex()}

    @classmethod
    def from_json(cls, value: object) -> Head:
        """Read what `to_json` returned; raises AuditError."""
        try:
            number, digest = value["number"], bytes.fromhex(value["hash"])  # type: ignore[index]
            if type(number) is not int or number < 0 or len(digest) != len(START):
                raise ValueError("expected a number and a hash")
        except (TypeError, KeyError, ValueError) as error:
            raise AuditError(f"expected the head of an audit log ({error}).") from error
        return cls(number, digest)


def canonical(value: object) -> bytes:
    """Return a JSON value in canonical form; raises ValueError if JSON cannot express it."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def chained(before: bytes, octets: bytes) -> bytes:
    """Return the hash of a record that follows one with the hash `before`."""
    return hashlib.sha256(before + octets).digest()


def parse_record(octets: bytes) -> Record:
    """Parse the octets of a record; raises AuditError if they are not in canonical form."""
    try:
        if len(octets) > MAX_RECORD:
            raise ValueError(f"it is larger than {MAX_RECORD} octets")
        fields = json.loads(octets)
        if fields.keys() != {"number", "time", "kind", "body"}:
            raise ValueError("its members are not those of a record")
        record = Record(fields["number"], fields["time"], fields["kind"], fields["body"])
        if type(record.number) is not int or record.kind not in KINDS or not isinstance(record.body, dict):
            raise ValueError("its number, kind or body is invalid")
        moment_from_text(record.time)
        if record.octets != octets:
            raise ValueError("it is not in canonical form")
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise AuditError(f"a record cannot be read: {error}.") from error
    return record
