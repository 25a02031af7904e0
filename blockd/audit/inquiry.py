"""What was enforced for a name at a time, and which signatures prove it.

It is computed from the records and the documents that they name, each verified again. The contents of text lists
and of national lists are not kept in the log; they are looked up in the ruleset while its version is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from blockd.audit.chain import Record
from blockd.audit.database import key_of
from blockd.audit.deciding import (
    ALL,
    ANY_ROLE,
    NO_ROOM,
    OPERATOR,
    Decision,
    KnownParties,
    Party,
    ProvedClaim,
    decide,
    ranked,
    told_clients,
)  # fmt: skip
from blockd.audit.evidence import Fetch, files_of, parts_of, proof_of
from blockd.audit.in_force import Records, exceptions_then, in_force_at
from blockd.errors import AuditError, BadName, BadOrder
from blockd.feeds.overrides.file import FILE as OVERRIDES_FILE
from blockd.feeds.overrides.file import parse_overrides
from blockd.formats.subject import name_from_text
from blockd.names import DomainName
from blockd.orders import Action, Entry, Order, OrderDocument, OrderKey, OrderNames, State, Verdict, state_at
from blockd.orders.repository import OWN_ROLE
from blockd.ruleset import Enforced, Ruleset
from blockd.ruleset.catalogue import room
from blockd.ruleset.format import MAX_CLAIMS_OF_ONE
from blockd.ruleset.parties import authority_text
from blockd.ruleset.policy import at_time
from blockd.ruleset.tiers import tiers_by_feed
from blockd.settings import SIGNED_TYPES
from blockd.times import moment_text

_STATES = {state.text: state for state in State}


class Kept(Protocol):
    """The rulesets that are still kept."""

    def __call__(self, version: int, digest: str, /) -> Ruleset | None:
        """Open a version with the given digest; None if it is not kept. Raises RulesetError."""


def prove_name(
    records: Records, name: str, at: float, roots: Mapping[str, Sequence[bytes]], given: Sequence[bytes], kept: Kept,
    alive: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what was enforced for `name` at `at`; raises BadName, and AuditError.

    `at` and `alive`, when the node was last seen alive, are seconds since the epoch. In the result, `covered` is None
    if nothing that is kept says whether the name was blocked.
    """
    key = name_from_text(name)
    told: dict[str, Any] = {
        "name": DomainName(key).text, "time": moment_text(at), "version": None, "digest": None, "record": None,
        "since": None, "covered": None, "decides": None, "action": None, "udp": None, "tcp": None, "orders": [],
        "feeds": [], "notes": [],
    }  # fmt: skip
    then = in_force_at(records, at, alive)
    record = then.record
    if record is None:
        told["notes"].append(then.note)
        told["covered"] = False if then.had_stopped else None
        return told | told_clients(None, told["covered"])
    version, digest = int(record.body["version"]), str(record.body["digest"])
    told |= {"version": version, "digest": digest, "record": record.number, "since": record.time}
    if type(base := record.body.get("base")) is int:
        told["notes"].append(f"Version {version} is version {base}, which was pinned, with the overrides of then.")
    ruleset = kept(version, digest)
    parts = parts_of(record)
    told["notes"] += exceptions_then(records, at, [str(part["name"]) for part in parts])
    tiers = tiers_by_feed((part["name"], part["type"]) for part in parts)
    try:
        enforced = None if ruleset is None else enforced_then(version, ruleset, at, _noted(ruleset, records, key, at))
        claims: list[ProvedClaim] = []
        unknown: dict[Party, frozenset[Action]] = {}
        keys: frozenset[OrderKey] = frozenset()
        signed = {part["name"] for part in parts if part["type"] in SIGNED_TYPES}
        may_lift = {(part["name"], role): of for part in parts for role, of in part.get("may_lift", {}).items()}
        for part in parts:
            given_it = [*given, *roots.get(part["name"], ())]
            content = _of_feed(part, record, records, key, at, given_it, enforced)
            claims += content.claims
            for role, actions in content.unknown.items():
                party = (part["name"], role or OWN_ROLE) if part["name"] in signed else OPERATOR
                unknown[party] = unknown.get(party, frozenset()) | actions
            may_lift |= {(part["name"], role): of for role, of in content.may_lift.items()}
            keys |= content.keys
            told["feeds"].append(
                {"name": part["name"], "digest": part["digest"], "proved": content.words, "whole": not content.unknown}
            )
        claims = ranked(claims, tiers)
        _call(claims, keys if ruleset is None else ruleset.catalogue.keys())
        if any([*_refused(claims, enforced, key, record.at)]):
            told["notes"].append(f"An authority may have {MAX_CLAIMS_OF_ONE} orders on one name: others are refused.")
        parties = KnownParties(signed, tiers, may_lift)
        decision = decide(claims, parties, unknown) if enforced is None else _decision(enforced.verdict(key), claims)
    finally:
        if ruleset is not None:
            ruleset.close()
    told["orders"] = [{**claim.to_json(), "decides": claim is decision.decides} for claim in claims]
    told["covered"] = decision.covered
    if (deciding := decision.decides) is not None:
        told |= {"decides": deciding.order.name, "action": str(deciding.order.action)}
        told |= told_clients(deciding.order.action, decision.covered)
    elif decision.covered:
        told["notes"].append("The content of some lists is not kept: which of the orders decided is not known.")
        told |= told_clients(None, decision.covered, decision.over_tcp)
    else:
        told |= told_clients(None, decision.covered)
    if any(claim.order.is_confidential for claim in claims):
        told["notes"].append("A confidential order lists keyed hashes: the name was hashed to look it up.")
    return told


def _call(claims: Iterable[ProvedClaim], keys: Iterable[OrderKey]) -> None:
    """Have each claim's order say how it is called among the orders with these keys."""
    names = OrderNames(keys)
    for claim in claims:
        if not claim.order.list_name:
            claim.order = replace(claim.order, shown=names.shown(claim.key))


def state_then(known: Record | None, order: Order, at: float) -> State:
    """Return an order's state at a time, by the newest record of it until then, if there is one, and by its dates.

    What has ended by its dates is not in force, whatever was recorded before.
    """
    by_dates = state_at(order, at)
    recorded = None if known is None else _STATES.get(str(known.body["state"]))
    if recorded is None:
        return by_dates
    return by_dates if recorded is State.IN_FORCE and by_dates in (State.EXPIRED, State.LIFTED) else recorded


def enforced_then(version: int, ruleset: Ruleset, at: float, noted: Iterable[Record]) -> Enforced:
    """Return what a ruleset enforced at a time, with the states of orders that `noted` records of the log have."""
    records = {key_of(one): one for one in noted}
    known: dict[int, State] = {}
    for index, of in enumerate(ruleset.catalogue.orders):
        record = records.get(of.key)
        if record is not None:
            known[index] = state_then(record, of.order, at)
    return at_time(version, ruleset, at, known=known)


def _noted(ruleset: Ruleset, records: Records, key: bytes, at: float) -> Iterator[Record]:
    """Yield the newest record of each order on a name, at or before a time."""
    listed = {claim.order_index for _, found in ruleset.listed(key) for _, claims in found for claim in claims}
    for index in listed:
        noted = records.state_of(ruleset.catalogue.orders[index].key, at)
        if noted is not None:
            yield noted


def _decision(verdict: Verdict, claims: Sequence[ProvedClaim]) -> Decision:
    """Return the policy's decision, with the claim among `claims` that it rests on."""
    decides = None
    if verdict.action is not None and verdict.order is not None:
        wanted = verdict.order.key(verdict.feed)
        decides = next((claim for claim in claims if claim.key == wanted), None)
    return Decision(verdict.touches, decides)


def _refused(claims: Sequence[ProvedClaim], enforced: Enforced | None, key: bytes, at: float) -> Iterator[ProvedClaim]:
    """Mark and yield the claims of signed orders for which there was no room on the name."""
    if enforced is not None:
        catalogue = enforced.ruleset.catalogue
        without = {one.key for one in catalogue.orders if one.refused}
        covering = [one.verdict for one in enforced.covering(key)]
        there = {one.order.key(one.feed) for one in covering if one.order}
        left_out = [claim for claim in claims if claim.key in without - there]
    else:
        found: dict[tuple[str, str, str], list[ProvedClaim]] = {}
        for claim in claims if len(claims) > MAX_CLAIMS_OF_ONE else ():
            found.setdefault((claim.feed, claim.order.role, claim.entry.partition(" ")[0]), []).append(claim)
        left_out = [
            claim
            for rivals in found.values()
            for claim in sorted(rivals, key=lambda one: room(one.order, int(at)))[MAX_CLAIMS_OF_ONE:]
        ]
    for claim in left_out:
        claim.state = NO_ROOM
        yield claim


@dataclass(frozen=True, slots=True)
class _Content:
    """The claims of one feed, what proves them, in words, and by role the actions of orders whose names are unknown.

    `may_lift` is by role what its signatures say of whose orders it may lift.
    """

    claims: list[ProvedClaim]
    words: str
    unknown: Mapping[str, frozenset[Action]] = field(default_factory=dict)
    may_lift: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keys: frozenset[OrderKey] = frozenset()  # of all its orders whose documents are kept


def _of_feed(
    part: Mapping[str, Any], record: Record, records: Records, key: bytes, at: float, roots: Sequence[bytes],
    enforced: Enforced | None,
) -> _Content:  # fmt: skip
    """Return what is known of one feed's content."""
    name, priority, asked = str(part["name"]), int(part.get("priority", 0)), DomainName(key)
    unproved = _unproved(part["type"])
    if part["proof"] is None:
        if enforced is None:
            return _Content([], f"{unproved}; its content is not kept", {ANY_ROLE: _actions(part)})
        return _Content(_in_ruleset(enforced, key, name, records, at, priority, unproved), unproved)
    fetch: Fetch = records.evidence
    proof = proof_of(part, record, fetch, roots)
    if proof is None:
        words = "the operator's own decision, kept in this log"
        documents = _overrides(part, fetch)
        return _Content(
            [
                _claim(name, priority, document.order, covers[1], records, at, words, len(covers[0].key))
                for document in documents if (covers := document.covering(asked)) is not None
            ],
            words,
            keys=frozenset(document.order.key(name) for document in documents),
        )  # fmt: skip
    words = "signatures, verified again"
    found, unknown = [], dict[str, frozenset[Action]]()
    keys = frozenset(document.order.key(name) for document in proof.documents.values())
    for path, document in proof.documents.items():
        covers = document.covering(asked)
        if covers is not None:
            claim = _claim(name, priority, document.order, covers[1], records, at, words, len(covers[0].key))
            claim.signatures = proof.behind(path)
            found.append(claim)
        elif document.names is not None:
            listed = f"signatures: the list of order {document.order.name} has the SHA-256 {document.names.last.sha256}"
            if enforced is None:
                words = f"{words}; {listed}, and its content is not kept"
                unknown[document.order.role] = unknown.get(document.order.role, frozenset()) | {document.order.action}
                continue
            for claim in _in_ruleset(enforced, key, name, records, at, priority, listed):
                if claim.key == document.order.key(name):
                    claim.signatures = proof.behind(path)
                    found.append(claim)
    may_lift = {role: [authority_text(name, one) for one in of] for role, of in proof.may_lift.items()}
    return _Content(found, words, unknown, may_lift, keys)


def _actions(part: Mapping[str, Any]) -> frozenset[Action]:
    """Return the actions of a feed's orders; all that there are if an older record does not have them."""
    try:
        return frozenset(Action(action) for action in part["actions"]) or ALL
    except (KeyError, ValueError, TypeError):
        return ALL


def _unproved(kind: str) -> str:
    signed = "no evidence of its signatures is kept" if kind in SIGNED_TYPES else "it is not signed"
    return f"the digest in the record ({signed})"


def _overrides(part: Mapping[str, Any], fetch: Fetch) -> list[OrderDocument]:
    octets = files_of(part["proof"]["manifest"], fetch)[OVERRIDES_FILE]
    try:
        return [override.document() for override in parse_overrides(octets)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, BadOrder, BadName) as error:
        raise AuditError(f"the overrides that were kept cannot be read: {error}.") from error


def _in_ruleset(
    enforced: Enforced, key: bytes, feed: str, records: Records, at: float, priority: int, words: str
) -> list[ProvedClaim]:
    """Return a feed's claims on a name as the ruleset that was enforced has them."""
    words = f"{words}; the ruleset is kept"
    return [
        _claim(feed, priority, verdict.order, verdict.entry, records, at, words, found.size)
        for found in enforced.covering(key)
        if (verdict := found.verdict).feed == feed and verdict.order is not None and verdict.entry is not None
    ]


def _claim(
    feed: str, priority: int, order: Order, entry: Entry, records: Records, at: float, words: str, length: int
) -> ProvedClaim:
    known = records.state_of(order.key(feed), at)
    state = state_then(known, order, at).text
    since = str(known.body["since"]) if known is not None else None
    return ProvedClaim(feed, priority, order, f"{entry.text} ({entry.scope.text})", length, state, since, words)
