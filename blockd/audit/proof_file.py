"""A proof that others can verify without this node and its state: records, evidence, and how to check them.

The file is a JSON object: `format`; `instructions` for people; `name` and `time`; `claim`, what `blockd audit prove`
printed; `links`, each a record with the hash before it and its own; and `evidence`, octets in Base64 by their SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blockd.audit.chain import Record, chained, parse_record
from blockd.audit.database import Database, key_of
from blockd.audit.evidence import digests_of, parts_of
from blockd.audit.inquiry import prove_name
from blockd.errors import AuditError, BadName
from blockd.orders.key import OrderKey, parse_asked
from blockd.ruleset import Ruleset
from blockd.times import moment_from_text, moment_text

FORMAT = "blockd-proof-1"
MAX_PROOF = 512 << 20  # octets of the file: the largest repository in Base64, and its records
MAX_LINKS = 50_000  # records between the version's and the time asked for
CLAIMED = (
    "name",
    "time",
    "version",
    "digest",
    "covered",
    "decides",
    "action",
    "record",
    "since",
)  # computed again and compared
BY_LISTS = {"covered", "decides", "action"}  # those of them that may depend on lists whose content is not in a proof

INSTRUCTIONS = (
    "Verify with `blockd audit verify --proof FILE --root ROOT`, where ROOT is the root.json of the authority's signed "
    "list, got from the authority itself. By hand: each link's hash is SHA-256 over the 32 octets of `before` and the "
    "octets of `record` (as ASCII); links with neighbouring numbers follow each other. The record of kind `enforced` "
    "names, for each feed, the SHA-256 of a manifest in `evidence`, which names files by their SHA-256: the metadata "
    "of a repository of The Update Framework (specification 1.0), signed by the authority, which name the orders by "
    "theirs. That this node enforced it, and when, is the node's own claim: compare the record's hash with the head in "
    "a statement of enforcement that the node had signed before there was a dispute."
)


def export_proof(database: Database, claim: dict[str, Any]) -> bytes:
    """Return the proof file for a result of `prove_name`; raises AuditError if there is nothing to prove."""
    number, at = claim["record"], moment_from_text(claim["time"])
    if number is None:
        raise AuditError("there is no record of what was enforced then, so nothing can be proved.")
    wanted = set(database.numbers(number, at, MAX_LINKS + 1))
    if len(wanted) > MAX_LINKS:
        raise AuditError(
            f"more than {MAX_LINKS} records lie between that version and the time; ask for an earlier one."
        )
    states = [database.state_of(_key(order), at) for order in claim["orders"]]
    wanted |= {state.number for state in states if state is not None}
    start = database.last("start", at)
    wanted |= {start.number} if start is not None else set()
    links, evidence = [], {}
    for one in sorted(wanted):
        octets, digest = database.link(one)
        before = database.hash_of(one - 1) if one > 1 else bytes(32)
        if before is None:
            raise AuditError(f"record {one - 1} is missing.")
        links.append({"before": before.hex(), "record": octets.decode("ascii"), "hash": digest.hex()})
        record = parse_record(octets)
        for part in parts_of(record) if one == number else ():
            if part["proof"] is not None:
                manifest = part["proof"]["manifest"]
                for name in (manifest, *digests_of(manifest, database.evidence).values()):
                    evidence[name] = base64.b64encode(database.evidence(name) or b"").decode("ascii")
    told = {
        "format": FORMAT,
        "instructions": INSTRUCTIONS,
        "name": claim["name"],
        "time": claim["time"],
        "claim": claim,
        "links": links,
        "evidence": evidence,
    }
    return json.dumps(told, indent=1, ensure_ascii=True).encode() + b"\n"


def verify_proof(octets: bytes, roots: Sequence[bytes]) -> dict[str, Any]:
    """Verify a proof, trusting `roots` for its signed lists, and return what it proves. Raises AuditError.

    The result is computed from the records and signatures alone, not from what the file claims; its
    `proved` is false if the claim depends on a list whose content is not in the proof.
    """
    try:
        told = json.loads(octets)
        if told["format"] != FORMAT:
            raise ValueError("its format is unknown")
        name, at, claim = told["name"], moment_from_text(told["time"]), told["claim"]
        if not isinstance(name, str) or not isinstance(claim, dict) or len(told["links"]) > MAX_LINKS + 20_000:
            raise ValueError("its name, claim or links are invalid")
        evidence = {str(digest): base64.b64decode(text, validate=True) for digest, text in told["evidence"].items()}
        links = [
            (bytes.fromhex(link["before"]), link["record"].encode("ascii"), bytes.fromhex(link["hash"]))
            for link in told["links"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(f"the proof cannot be read: {error}.") from error
    records = _Proved(links, evidence)
    try:
        found = prove_name(records, name, at, {}, roots, _not_kept)
    except BadName as error:
        raise AuditError(f"the name in the proof is not valid: {error.reason}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise AuditError(f"a record of the proof has the wrong structure: {error}.") from error
    if found["record"] is None or not records.is_whole(found["record"], at):
        raise AuditError("the proof lacks records between the version and the time.")
    found["proved"] = True
    wrong = [word for word in CLAIMED if not _agrees(word, found, claim)]
    only_by_ruleset = [order for order in claim.get("orders", ()) if "ruleset" in str(order)]
    has_lists = not all(feed["whole"] for feed in found["feeds"])
    is_which_open = found["covered"] and found["decides"] is None and "covered" not in wrong  # which order blocked it
    may_differ = only_by_ruleset or found["covered"] is None or is_which_open
    is_by_lists = has_lists and BY_LISTS.issuperset(wrong) and may_differ
    if wrong and not is_by_lists:
        raise AuditError(f"the claim of the proof differs from its records in: {', '.join(wrong)}.")
    if found["covered"] is None or (wrong and not is_which_open):
        found["proved"] = False
        found["notes"].append(
            "Lists whose content is not in the proof decide; for these there is only the node's own claim."
        )
    return found


def _key(order: Mapping[str, Any]) -> OrderKey:
    return OrderKey(str(order["feed"]), str(order["role"]), str(order["id"]))


def _agrees(word: str, found: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    """Return whether a claim says what was found; the order that decides may be named by any of its names.

    How it is called depends on the other orders that its node had, and earlier claims have the id alone.
    """
    if word != "decides" or found[word] is None or not isinstance(claim.get(word), str):
        return bool(found[word] == claim.get(word))
    deciding = next(order for order in found["orders"] if order["decides"])
    asked = parse_asked(claim[word])
    return asked is not None and asked.fits(_key(deciding))


class _Proved:
    """The records of a proof, in the form that `prove_name` reads; raises AuditError if a link is wrong."""

    def __init__(self, links: Sequence[tuple[bytes, bytes, bytes]], evidence: dict[str, bytes]) -> None:
        self._records: list[Record] = []
        self._evidence = evidence
        last: tuple[int, bytes] | None = None
        for before, octets, digest in links:
            record = parse_record(octets)
            if chained(before, octets) != digest:
                raise AuditError(f"record {record.number} does not match its hash.")
            if last is not None and record.number <= last[0]:
                raise AuditError(f"record {record.number} is out of order.")
            if last is not None and record.number == last[0] + 1 and before != last[1]:
                raise AuditError(f"record {record.number} does not follow the one before.")
            last = record.number, digest
            self._records.append(record)

    def is_whole(self, number: int, at: float) -> bool:
        """Return whether every record from `number` to the last one at or before a time is there."""
        numbers = [record.number for record in self._records if record.number >= number and record.at <= at]
        return bool(numbers) and {record.number for record in self._records} >= set(range(number, max(numbers) + 1))

    def last(self, kind: str, until: float | None = None) -> Record | None:
        return self._newest(until, lambda record: record.kind == kind)

    def first(self, kind: str, after: float) -> Record | None:
        later = moment_text(after)
        return next((one for one in self._records if one.time > later and one.kind == kind), None)

    def state_of(self, order: OrderKey, until: float) -> Record | None:
        def is_its(record: Record) -> bool:
            return record.kind == "order" and key_of(record) == order

        return self._newest(until, is_its)

    def evidence(self, digest: str) -> bytes | None:
        octets = self._evidence.get(digest)
        if octets is not None and hashlib.sha256(octets).hexdigest() != digest:
            raise AuditError(f"the evidence {digest[:16]}… does not match its digest.")
        return octets

    def _newest(self, until: float | None, fits: Callable[[Record], bool]) -> Record | None:
        limit = "9999" if until is None else moment_text(until)
        return next((one for one in reversed(self._records) if one.time <= limit and fits(one)), None)


def _not_kept(_version: int, _digest: str) -> Ruleset | None:
    return None
