"""What the parts of a signed repository share: the salts of confidential orders. Ids are each authority's own.

A part keeps the salts that it had in the previous version, so that no authority can end another's order by claiming
its salt. New ones belong to the part whose delegation comes first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from blockd.errors import FeedRefused
from blockd.feeds.signed.authorities import RoleResult
from blockd.feeds.signed.role_targets import Delegation, digest_of
from blockd.orders import OrderDocument
from blockd.ruleset.salts import MAX_SALTS

Held = Mapping[tuple[str, str], bytes]
"""The salt of each order of the previous version, by role and id; empty if it is not confidential."""


def held_by(documents: Iterable[OrderDocument]) -> Held:
    """Return the ids and salts that the orders of a version hold."""
    return {_place(document): document.order.salt for document in documents}


def together(
    own: RoleResult, given: Sequence[RoleResult], before: Held
) -> tuple[tuple[OrderDocument, ...], str, dict[str, FeedRefused]]:
    """Return all documents, their digest, and, by role, a refusal for orders that are left out."""
    parts = [(one, one.part) for one in (own, *given) if one.part is not None]
    listed = [(one.delegation, document) for one, _ in parts for document in one.documents.values()]
    left_out: dict[str, FeedRefused] = {}
    salted = [(delegation, document) for delegation, document in listed if document.order.salt]
    salts: set[bytes] = set()
    for delegation, document in sorted(salted, key=lambda it: before.get(_place(it[1])) != it[1].order.salt):
        if document.order.salt not in salts and len(salts) == MAX_SALTS:
            left_out[delegation.role] = _salted(delegation, document.order.id)
        else:
            salts.add(document.order.salt)
    found: list[OrderDocument] = []
    hashes: list[tuple[str, str]] = []
    for one, part in parts:
        for identifier, document in one.documents.items():
            salt = document.order.salt
            if not salt or salt in salts:
                found.append(document)
                hashes.append((part.orders[identifier].path, digest_of(part.orders[identifier])))
    return tuple(found), hashlib.sha256(json.dumps(hashes).encode()).hexdigest(), left_out


def _place(document: OrderDocument) -> tuple[str, str]:
    return document.order.role, document.order.id


def _salted(delegation: Delegation, identifier: str) -> FeedRefused:
    return FeedRefused(
        "too large",
        f"{delegation.subject} has a confidential order {identifier} with one salt more than the {MAX_SALTS} that "
        "all orders of a repository may have: it is left out, all else of this authority is in force. One salt is "
        "enough for all confidential orders of an authority.",
    )
