"""A proof that others can verify without this node and its state: records, evidence, and how to check them.

The file is a JSON object: `format`; `instructions` for people; `name` and `time`; `claim`, what `blockd audit prove`
printed; `links`, each a record with the hash before it and its own, up to one that is later than the time, if the log
has one; `evidence`, octets in Base64 by their SHA-256; and the node's `signature` (`blockd.audit.proof_signature`),
which is later than the time as well. So the time lies between what the node has recorded and what it has signed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from blockd.audit.chain import Record, chained, parse_record
from blockd.audit.claim import contradicting_members, is_called, key_of_claimed
from blockd.audit.database import Database, key_of
from blockd.audit.evidence import digests_of, parts_of
from blockd.audit.inquiry import prove_name
from blockd.audit.proof_signature import ProofSignature, sign_proof, verify_signature
from blockd.errors import AuditError, BadName, cause_of
from blockd.orders.key import OrderKey
from blockd.ruleset import Ruleset
from blockd.times import moment_from_text, moment_text

UNSIGNED, FORMAT = "blockd-proof-1", "blockd-proof-2"  # the first has no signature of the node
MEMBERS = frozenset(("format", "instructions", "name", "time", "claim", "links", "evidence"))
MAX_PROOF = 512 << 20  # octets of the file: the largest repository in Base64, and its records
MAX_LINKS = 50_000  # records between the version's and the time asked for
FACTS = ("name", "time", "version", "digest", "record", "since")  # of a claim, computed from the records alone
DECISION = ("covered", "decides", "action")  # what may depend on lists whose content is not in a proof
_TOLERANCE = 60.0  # seconds: a clock that was set back a little between two records
BY_RULESET = "the ruleset is kept"  # in the words of what proves an order that a list not in the proof has

INSTRUCTIONS = (
    "Verify with `blockd audit verify --proof FILE --root ROOT --key PUB`, where ROOT is the root.json of the "
    "authority's signed list, got from the authority itself, and PUB the node's public key, got from its operator. By "
    "hand: each link's hash is SHA-256 over the 32 octets of `before` and the octets of `record` (as ASCII); links "
    "with neighbouring numbers follow each other. The record of kind `enforced` names, for each feed, the SHA-256 of a "
    "manifest in `evidence`, which names files by their SHA-256: the metadata of a repository of The Update Framework "
    "(specification 1.0), signed by the authority, which name the orders by theirs. That this node enforced it, and "
    "when, is the node's own claim, which its `signature` makes: compare the record's hash with the head in a "
    "statement of enforcement that the node had signed before there was a dispute."
)
_UNBOUND = (
    "This proof was exported by an older blockd and has no signature of the node: neither the time nor that these are "
    "the node's records is proved. Have the node export it anew."
)


def export_proof(database: Database, claim: dict[str, Any], key: Ed25519PrivateKey, now: float) -> bytes:
    """Return the proof file for a result of `prove_name`, signed with the node's key at `now`.

    Raises AuditError if there is nothing to prove.
    """
    number, at = claim["record"], moment_from_text(claim["time"])
    if number is None:
        raise AuditError("there is no record of what was enforced then, so nothing can be proved.")
    if at > now:
        raise AuditError("that time has not come yet, so nothing can be proved of it.")
    wanted = set(database.numbers(number, at, MAX_LINKS + 1))
    if len(wanted) > MAX_LINKS:
        raise AuditError(
            f"more than {MAX_LINKS} records lie between that version and the time; ask for an earlier one."
        )
    if database.hash_of(max(wanted) + 1) is not None:
        wanted.add(max(wanted) + 1)  # later than the time
    states = [database.state_of(key_of_claimed(order), at) for order in claim["orders"]]
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
    return json.dumps({**told, "signature": sign_proof(told, key, now)}, indent=1, ensure_ascii=True).encode() + b"\n"


def verify_proof(octets: bytes, roots: Sequence[bytes], key: Ed25519PublicKey | None = None) -> dict[str, Any]:
    """Verify a proof, trusting `roots` for its signed lists, and return what it proves. Raises AuditError.

    `key` is the node's; without it, the proof's own is taken and a note says so. The result is computed from the
    records and signatures alone, and a file that says anything else is refused. Its `proved` is false if the claim
    depends on a list whose content is not in the proof, or if the node has not signed it: anybody can make a chain of
    records anew.
    """
    try:
        told = json.loads(octets, object_pairs_hook=_without_repetition)
        if told["format"] not in (UNSIGNED, FORMAT):
            raise ValueError("its format is unknown")
        is_signed = told["format"] == FORMAT
        if told.keys() != (MEMBERS | {"signature"} if is_signed else MEMBERS):
            raise ValueError("its members are not those of a proof")
        name, at, claim = told["name"], moment_from_text(told["time"]), told["claim"]
        if not isinstance(name, str) or not isinstance(claim, dict) or len(told["links"]) > MAX_LINKS + 20_000:
            raise ValueError("its name, claim or links are invalid")
        evidence = {str(digest): base64.b64decode(text, validate=True) for digest, text in told["evidence"].items()}
        if any(link.keys() != {"before", "record", "hash"} for link in told["links"]):
            raise ValueError("a link has other members than a link")
        links = [
            (bytes.fromhex(link["before"]), link["record"].encode("ascii"), bytes.fromhex(link["hash"]))
            for link in told["links"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(f"the proof cannot be read: {cause_of(error)}.") from error
    signature = verify_signature(told, key) if is_signed else None
    records = _Proved(links, evidence)
    try:
        found = prove_name(records, name, at, {}, roots, _not_kept)
    except BadName as error:
        raise AuditError(f"the name in the proof is not valid: {error.reason}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise AuditError(f"a record of the proof has the wrong structure: {cause_of(error)}.") from error
    if found["record"] is None or not records.is_whole(found["record"], at):
        raise AuditError("the proof lacks records between the version and the time.")
    if signature is not None:
        _check_time(records, at, signature)
    found["proved"] = _compare(claim if is_signed else _of_earlier(claim), found) and is_signed
    if not is_signed:
        found["notes"].append(_UNBOUND)
    elif not found["proved"]:
        found["notes"].append(
            "Lists whose content is not in the proof may have decided; for these there is only the node's own claim."
        )
    if signature is not None:
        found["signed"] = signature.to_json()
        if key is None:
            found["notes"].append(
                f"The node's key was not given (--key): that {signature.keyid[:16]}… is its key is to be asked of its "
                "operator."
            )
    return found


def _of_earlier(claim: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claim of an earlier blockd's proof as it is made now: orders had no `id`, and their id for a name."""
    orders = claim.get("orders")
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        return dict(claim)
    return {**claim, "orders": [{"id": order.get("order"), **order} for order in orders]}


def _check_time(records: _Proved, at: float, signature: ProofSignature) -> None:
    """Raise AuditError if the node's signature is earlier than the time, or than a record."""
    if signature.at < at or signature.at < records.newest_at - _TOLERANCE:
        raise AuditError(
            f"the time {moment_text(at)} is later than the node's signature of {moment_text(signature.at)}: nothing is "
            "proved of it."
        )


def _compare(claim: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether the records prove all of a claim; raises AuditError if they contradict any of it."""
    wrong = [word for word in FACTS if claim.get(word) != found[word]]
    if claim.keys() != found.keys() - {"proved"}:
        wrong += sorted(claim.keys() ^ (found.keys() - {"proved"}))
    has_all = all(feed["whole"] for feed in found["feeds"])
    if has_all and not wrong:
        plain = found.keys() - {"proved", "orders", *DECISION}
        wrong = [word for word in plain if claim[word] != found[word]]
        wrong += _differing_orders(claim["orders"], found["orders"], {"order"})
    elif not wrong:
        wrong = _differing_orders(claim["orders"], found["orders"], {"order", "decides", "proved_by"})
        wrong += _differing_feeds(claim["feeds"], found["feeds"])
    if not wrong:
        wrong = contradicting_members(claim)
    decided = [word for word in DECISION if not _agrees(word, found, claim)]
    by_ruleset = any(BY_RULESET in str(order) for order in claim.get("orders", ()))
    is_which_open = found["covered"] and found["decides"] is None and "covered" not in decided  # which one blocked it
    may_differ = not has_all and (by_ruleset or found["covered"] is None or is_which_open)
    if not may_differ:
        wrong += [word for word in decided if word not in wrong]
    if wrong:
        raise AuditError(
            f"the claim of the proof differs from its records in: {', '.join(sorted(map(str, wrong))[:10])}. It was "
            "changed, or made by another version of blockd."
        )
    return found["covered"] is not None and found["tcp"] is not None and (not decided or bool(is_which_open))


def _differing_orders(claimed: object, found: Sequence[Mapping[str, Any]], own: Set[str]) -> list[str]:
    """Return `orders` if a claim's orders are not those found, and others that only a list not in the proof has.

    `own` are members that may differ: how an order is called depends on the other orders that the node had, words on
    what was kept when it was claimed, and which order decides is compared by itself.
    """
    if not isinstance(claimed, list) or not all(isinstance(order, dict) for order in claimed):
        return ["orders"]
    left: dict[str, list[Mapping[str, Any]]] = {}
    for order in claimed:
        left.setdefault(_without(order, own), []).append(order)
    for order in found:
        same = left.get(_without(order, own))
        if not same or not is_called(same.pop(0).get("order"), order):
            return ["orders"]
    others = [order for orders in left.values() for order in orders]
    return [] if all(BY_RULESET in str(order.get("proved_by")) for order in others) else ["orders"]


def _without(order: Mapping[str, Any], names: Set[str]) -> str:
    """Return an order of a claim without some members, as a text by which it is compared."""
    return json.dumps({name: value for name, value in order.items() if name not in names}, sort_keys=True)


def _differing_feeds(claimed: object, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return `feeds` if a claim's feeds are not those found; what proves them depends on what was kept."""
    try:
        same = [(feed["name"], feed["digest"]) for feed in claimed] == [(it["name"], it["digest"]) for it in found]  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        same = False
    return [] if same else ["feeds"]


def _agrees(word: str, found: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    """Return whether a claim says what was found; the order that decides may be named by any of its names.

    How it is called depends on the other orders that its node had, and earlier claims have the id alone.
    """
    if word != "decides" or found[word] is None or not isinstance(claim.get(word), str):
        return bool(found[word] == claim.get(word))
    return is_called(claim[word], next(order for order in found["orders"] if order["decides"]))


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

    @property
    def newest_at(self) -> float:
        """The time of the last record, in seconds since the epoch."""
        return max((record.at for record in self._records), default=0.0)

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


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of the file; raises ValueError if it has a member twice, of which readers may take either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a member twice")
    return found


def _not_kept(_version: int, _digest: str) -> Ruleset | None:
    return None
