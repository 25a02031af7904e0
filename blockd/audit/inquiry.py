"""What was enforced for a name at a time, and which signatures prove it.

It is computed from the records and the documents that they name, each verified again. The contents of text lists
and of national lists are not kept in the log; they are looked up in the ruleset while its version is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from blockd.audit.chain import Record
from blockd.audit.evidence import Fetch, files_of, parts_of, proof_of
from blockd.audit.log import SIGN_OF_LIFE
from blockd.audit.signatures import RoleSignature
from blockd.errors import AuditError, BadName, BadOrder
from blockd.feeds.overrides.file import FILE as OVERRIDES_FILE
from blockd.feeds.overrides.file import parse_overrides
from blockd.names import DomainName, key_from_text
from blockd.orders import Action, Entry, Order, OrderDocument, Verdict, state_at
from blockd.ruleset import Ruleset
from blockd.ruleset.catalogue import rank
from blockd.ruleset.policy import at_time
from blockd.settings import SIGNED_TYPES
from blockd.times import moment_from_text, moment_text

Covering = Sequence[tuple[int, Verdict]]
"""What a ruleset has for a name (`Enforced.covering`)."""


class Records(Protocol):
    """Source of the records about a moment."""

    def last(self, kind: str, until: float | None = None) -> Record | None:
        """Return the newest record of a kind, at or before a time."""

    def first(self, kind: str, after: float) -> Record | None:
        """Return the oldest record of a kind after a time."""

    def state_of(self, feed: str, order: str, until: float) -> Record | None:
        """Return the newest record of an order's state, at or before a time."""

    def evidence(self, digest: str) -> bytes | None:
        """Return the octets with a SHA-256."""


class Kept(Protocol):
    """The rulesets that are still kept."""

    def __call__(self, version: int, digest: str, /) -> Ruleset | None:
        """Open a version with the given digest; None if it is not kept. Raises RulesetError."""


@dataclass(slots=True)
class ProvedClaim:
    """An order that covers the name, as of the time asked for."""

    feed: str
    priority: int
    order: Order
    entry: str
    length: int  # octets of the entry's key: the longest match decides
    state: str
    since: str | None  # when every worker had it in this state
    proved_by: str  # what proves it, in words
    signatures: list[RoleSignature] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        order = self.order
        return {
            "feed": self.feed,
            "order": order.id,
            "list": order.list_name,
            "authority": order.authority,
            "role": order.role,
            "platform": order.platform,
            "legal_basis": order.legal_basis,
            "reference": order.reference,
            "action": str(order.action),
            "confidential": order.is_confidential,
            "entry": self.entry,
            "state": self.state,
            "since": self.since,
            "proved_by": self.proved_by,
            "signatures": [signature.to_json() for signature in self.signatures],
        }


def prove_name(
    records: Records, name: str, at: float, roots: Mapping[str, Sequence[bytes]], given: Sequence[bytes], kept: Kept,
    alive: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what was enforced for `name` at `at`; raises BadName, and AuditError.

    `at` and `alive`, when the node was last seen alive, are seconds since the epoch. In the result, `covered` is None
    if nothing that is kept says whether the name was blocked.
    """
    key = key_from_text(name)
    told: dict[str, Any] = {
        "name": DomainName(key).text, "time": moment_text(at), "version": None, "digest": None, "record": None,
        "since": None, "covered": None, "decides": None, "action": None, "orders": [], "feeds": [], "notes": [],
    }  # fmt: skip
    record = records.last("enforced", at)
    if record is None:
        told["notes"].append("The log begins later; what was enforced then is not known.")
        return told
    stop, start = records.last("stop", at), records.last("start", at)
    if stop is not None and start is not None and stop.number > max(start.number, record.number):
        told["notes"].append(f"blockd had stopped, at {stop.time}: nothing was enforced by this node.")
        told["covered"] = False
        return told
    silence = _silence(records, record, at, alive)
    if silence:
        told["notes"].append(f"{silence}: whether this node enforced anything at that time is not known.")
        return told
    version, digest = int(record.body["version"]), str(record.body["digest"])
    told |= {"version": version, "digest": digest, "record": record.number, "since": record.time}
    ruleset = kept(version, digest)
    try:
        covering = None if ruleset is None else at_time(version, ruleset, at).covering(key)
        claims: list[ProvedClaim] = []
        for part in parts_of(record):
            given_it = [*given, *roots.get(part["name"], ())]
            found, words, is_whole = _of_feed(part, record, records, key, at, given_it, covering)
            claims += found
            told["feeds"].append({"name": part["name"], "digest": part["digest"], "proved": words, "whole": is_whole})
    finally:
        if ruleset is not None:
            ruleset.close()
    claims.sort(key=_rank)
    told["orders"] = [claim.to_json() for claim in claims]
    deciding = next((claim for claim in claims if claim.state == "in force"), None)
    if deciding is not None:
        told |= {"decides": deciding.order.id, "action": str(deciding.order.action)}
    is_blocked = deciding is not None and deciding.order.action not in (Action.ALLOW, Action.MONITOR, Action.PASSTHRU)
    if is_blocked or all(feed["whole"] for feed in told["feeds"]):
        told["covered"] = is_blocked
    if any(claim.order.is_confidential for claim in claims):
        told["notes"].append("A confidential order lists keyed hashes: the name was hashed to look it up.")
    return told


def _silence(records: Records, enforced: Record, at: float, alive: float | None) -> str:
    """Return a sentence if a time lies in a gap between the last sign of life and the next start, else nothing."""
    start = records.first("start", at)
    if start is not None and start.number > enforced.number:
        last = start.body.get("last_alive")
        if last is not None and moment_from_text(last) < at:
            return (
                f"blockd ended without recording it: it was last seen alive at {last} and started again at {start.time}"
            )
    elif alive is not None and at > alive + 3 * SIGN_OF_LIFE:
        return f"blockd was last seen alive at {moment_text(alive)}"
    return ""


def _rank(claim: ProvedClaim) -> tuple[int, int, int, int, str]:
    """Return the sort key by which a ruleset decides between claims: `allow` first, then the longest match."""
    kind, priority, date, identifier = rank(claim.order, claim.priority)
    return kind, -claim.length, priority, date, identifier


def _of_feed(
    part: Mapping[str, Any], record: Record, records: Records, key: bytes, at: float, roots: Sequence[bytes],
    covering: Covering | None,
) -> tuple[list[ProvedClaim], str, bool]:  # fmt: skip
    """Return the claims of one feed, the words for what proves them, and whether all of its content is known."""
    name, priority, asked = str(part["name"]), int(part.get("priority", 0)), DomainName(key)
    unproved = _unproved(part["type"])
    if part["proof"] is None:
        found = _in_ruleset(covering, name, records, at, priority, unproved)
        is_kept = covering is not None
        return found, unproved if is_kept else f"{unproved}; its content is not kept", is_kept
    fetch: Fetch = records.evidence
    proof = proof_of(part, record, fetch, roots)
    if proof is None:
        words = "the operator's own decision, kept in this log"
        documents = _overrides(part, fetch)
        return [
            _claim(name, priority, document.order, covers[1], records, at, words, len(covers[0].key))
            for document in documents if (covers := document.covering(asked)) is not None
        ], words, True  # fmt: skip
    words, is_whole = "signatures, verified again", True
    found = []
    for path, document in proof.documents.items():
        covers = document.covering(asked)
        if covers is not None:
            claim = _claim(name, priority, document.order, covers[1], records, at, words, len(covers[0].key))
            claim.signatures = proof.behind(path)
            found.append(claim)
        elif document.names is not None:
            listed = f"signatures: the list of order {document.order.id} has the SHA-256 {document.names.last.sha256}"
            if covering is None:
                words, is_whole = f"{words}; {listed}, and its content is not kept", False
                continue
            for claim in _in_ruleset(covering, name, records, at, priority, listed):
                if claim.order.id == document.order.id:
                    claim.signatures = proof.behind(path)
                    found.append(claim)
    return found, words, is_whole


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
    covering: Covering | None, feed: str, records: Records, at: float, priority: int, words: str
) -> list[ProvedClaim]:
    """Return a feed's claims as the ruleset that was enforced has them."""
    words = f"{words}; the ruleset is kept"
    return [
        _claim(feed, priority, verdict.order, verdict.entry, records, at, words, length)
        for length, verdict in covering or ()
        if verdict.feed == feed and verdict.order is not None and verdict.entry is not None
    ]


def _claim(
    feed: str, priority: int, order: Order, entry: Entry, records: Records, at: float, words: str, length: int
) -> ProvedClaim:
    known = records.state_of(feed, order.id, at)
    state = str(known.body["state"]) if known is not None else state_at(order, at).text
    since = str(known.body["since"]) if known is not None else None
    return ProvedClaim(feed, priority, order, f"{entry.text} ({entry.scope.text})", length, state, since, words)
