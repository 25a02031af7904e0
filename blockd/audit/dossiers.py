"""Dossiers of orders, for everybody: their history on this node and the signatures behind them, from the audit log.

The signatures of a feed's metadata are verified again, as of when the node took them. The documents are not read: the
metadata name them by their digests, and what is kept under a digest has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from blockd.audit.database import Database
from blockd.audit.evidence import ORDERS, digests_of, named_otherwise
from blockd.errors import AuditError
from blockd.orders import OrderKey
from blockd.orders.dossier import (
    MAX_ROOTS,
    MAX_SIGNERS,
    MAX_TURNS,
    Dossier,
    OrderTurn,
    Signatures,
    SignedFile,
    fingerprint,
)
from blockd.orders.order import Order
from blockd.orders.repository import OWN_ROLE, ROOT_FILE, place_of
from blockd.times import moment_from_text

if TYPE_CHECKING:  # it loads TUF, see `blockd.audit.evidence`
    from blockd.audit.signatures import Proof


@dataclass(frozen=True, slots=True)
class FeedProof:
    """What proves the content of a feed: verified signatures, when they were taken, and the documents' digests."""

    proof: Proof
    taken: str  # RFC 3339
    digests: Mapping[str, str]  # by path


def prove_feed(database: Database, proof: Mapping[str, Any], roots: Sequence[bytes]) -> FeedProof:
    """Verify the metadata of a content's evidence, given its `proof` in a record; raises AuditError.

    An earlier version of an order stays in force if the newest was refused: its document is read as well, since only
    that tells which metadata list it.
    """
    from blockd.audit.signatures import prove  # see above

    digests = digests_of(proof["manifest"], database.evidence)
    otherwise = named_otherwise(proof["manifest"], database.evidence)
    files = {}
    for name in (name for name in digests if not name.startswith(ORDERS) or name in otherwise):
        octets = database.evidence(digests[name])
        if octets is None:
            raise AuditError(f"{name} is missing from the evidence.")
        files[name] = octets
    problem = "no root of trust is known."
    for root in roots:
        try:
            return FeedProof(prove(root, files, moment_from_text(proof["taken"])), str(proof["taken"]), digests)
        except AuditError as error:
            problem = str(error)
    raise AuditError(problem)


class SignedPlace(NamedTuple):
    """Where an order's document is signed: the newest metadata that list it, and its SHA-256 in hexadecimal."""

    listed_by: str
    digest: str


def signed_place(proved: FeedProof, key: OrderKey) -> SignedPlace | None:
    """Return where an order's document is signed; None if it is not."""
    path = f"{place_of('orders', key.role)}{key.id}.json"
    digest = proved.digests.get(path, "")
    return SignedPlace(proved.proof.listed.get(path, _metadata(key.role)), digest) if digest else None


def signatures_behind(proved: FeedProof, role: str) -> Signatures:
    """Return what the orders of an authority rest on; its role is empty for the repository's own."""
    found = [
        SignedFile(
            f"{one.version}.root.json" if one.role == "root" else one.file,
            one.version,
            one.threshold,
            one.keys[:MAX_SIGNERS],
        )
        for one in proved.proof.behind_role(role)
    ]
    roots = [one for one in found if ROOT_FILE.fullmatch(one.file)]
    left_out = set(roots[1 : 1 - MAX_ROOTS]) if len(roots) > MAX_ROOTS else set()
    return Signatures(proved.taken, tuple(one for one in found if one not in left_out))


def dossier_of(
    database: Database, order: Order, key: OrderKey, place: SignedPlace | None, limit: int
) -> tuple[Dossier, bytes]:
    """Return the dossier of an order, and its signed document, empty if it has more than `limit` octets.

    A confidential order's document is not shown: it has what its names can be found out with. Raises AuditError.
    """
    history = tuple(OrderTurn(one.time, str(one.body["state"])) for one in database.turns_of(key, MAX_TURNS))
    if place is None:
        return Dossier(fingerprint(order), history), b""
    size = 0 if order.is_confidential else database.size_of_evidence(place.digest)
    document = (database.evidence(place.digest) or b"") if 0 < size <= limit else b""  # one has 64 MiB at most
    digest = place.digest if size else ""
    return Dossier(fingerprint(order), history, place.listed_by, digest, size, bool(document)), document


def _metadata(role: str) -> str:
    return f"{role or OWN_ROLE}.json"
