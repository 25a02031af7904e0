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
from blockd.ruleset.salts import MAX_SALTS, MAX_SALTS_OF_ONE

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
    of_role: dict[str, set[bytes]] = {}
    for delegation, document in sorted(salted, key=lambda it: before.get(_place(it[1])) != it[1].order.salt):
        salt, used = document.order.salt, of_role.setdefault(delegation.role, set())
        is_held = before.get(_place(document)) == salt
        if salt not in used and ((len(used) >= MAX_SALTS_OF_ONE and not is_held) or len(salts | {salt}) > MAX_SALTS):
            left_out[delegation.role] = _salted(delegation, document.order.id)
        else:
            salts.add(salt)
            used.add(salt)
    found: list[OrderDocument] = []
    hashes: list[tuple[str, str]] = []
    for one, part in parts:
        for identifier, document in one.documents.items():
            salt = document.order.salt
            if not salt or salt in of_role[one.delegation.role]:
                found.append(document)
                hashes.append((part.orders[identifier].path, digest_of(part.orders[identifier])))
    return tuple(found), hashlib.sha256(json.dumps(hashes).encode()).hexdigest(), left_out


def _place(document: OrderDocument) -> tuple[str, str]:
    return document.order.role, document.order.id


def _salted(delegation: Delegation, identifier: str) -> FeedRefused:
    return FeedRefused(
        "too large",
        f"{delegation.subject} has a confidential order {identifier} with one salt more than the {MAX_SALTS_OF_ONE} "
        f"that an authority may have, and the {MAX_SALTS} of all: it is left out, all else of this authority is in "
        "force. One salt is enough for all confidential orders of an authority.",
    )
