"""Dossiers of orders, for everybody: their history on this node and the signatures behind them, from the audit log.

The signatures of a feed's metadata are verified again, as of when the node took them. The documents are not read: the
metadata name them by their digests, and what is kept under a digest has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blockd.audit.database import Database
from blockd.audit.evidence import ORDERS, digests_of, named_otherwise
from blockd.errors import AuditError
from blockd.orders import OrderKey
from blockd.orders.dossier import MAX_SIGNERS, MAX_TURNS, Dossier, OrderTurn, SignedFile, fingerprint
from blockd.orders.order import Order
from blockd.orders.repository import place_of
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


def dossier_of(
    database: Database, order: Order, key: OrderKey, proved: FeedProof | None, limit: int
) -> tuple[Dossier, bytes]:
    """Return the dossier of an order, and its signed document, empty if it has more than `limit` octets.

    A confidential order's document is not shown: it has what its names can be found out with. Raises AuditError.
    """
    history = tuple(OrderTurn(one.time, str(one.body["state"])) for one in database.turns_of(key, MAX_TURNS))
    path = f"{place_of('orders', key.role)}{key.id}.json"
    digest = proved.digests.get(path, "") if proved is not None else ""
    if proved is None or not digest:
        return Dossier(fingerprint(order), history), b""
    signatures = tuple(
        SignedFile(
            f"{one.version}.root.json" if one.role == "root" else one.file,
            one.version,
            one.threshold,
            one.keys[:MAX_SIGNERS],
        )
        for one in proved.proof.behind(path)
    )
    document = b"" if order.is_confidential else database.evidence(digest) or b""
    is_kept = 0 < len(document) <= limit
    dossier = Dossier(
        fingerprint(order), history, proved.taken, signatures, digest if document else "", len(document), is_kept
    )
    return dossier, document if is_kept else b""
