"""Rotation: a new root with other keys, other thresholds or a later end, pending until the old and the new sign it.

A lost key is replaced by another root; nothing else has to be done. A stolen key is replaced in the same way, and from
then on nodes accept nothing that it signs, since they read the new root before anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root

from blockd.errors import PublishError
from blockd.orders.repository import TOP_ROLES
from blockd.publish.delegations import check_threshold
from blockd.publish.initial_root import ROOT_LIFE
from blockd.publish.pending import drop_pending, read_pending, write_pending
from blockd.publish.workshop import Workshop, in_utc

MIN_KEY_ID = 8  # characters of a key id's beginning that identify a key, if it is unique


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The change of one role: keys to add and to remove (by id or its beginning), and a new threshold or 0."""

    role: str
    add: Sequence[Key] = ()
    remove: Sequence[str] = ()
    threshold: int = 0


def rotate(
    workshop: Workshop, change: KeyChange, now: datetime, expires: datetime | None = None, *, again: bool = False
) -> Metadata[Root]:
    """Make the next root, or change the pending one if nobody has signed it yet.

    With `again` the pending root and its signatures are dropped, and the change is made to the signed root.
    Raises PublishError if nobody could sign, or nothing would change.
    """
    if change.role not in TOP_ROLES:
        raise PublishError(
            f"{change.role} is not a role of the root ({', '.join(TOP_ROLES)}); an authority's keys are changed with "
            "delegate."
        )
    if expires is not None and expires <= now:
        raise PublishError("The expiry has already passed; nothing was changed.")
    if again and workshop.root_versions():
        drop_pending(workshop, "root")
    pending = read_pending(workshop, "root")
    if pending is not None and pending.signatures and not again:
        raise PublishError(
            f"A root with {len(pending.signatures)} signatures is pending; another change would make them void. "
            "Have it signed first, or use --again."
        )
    root = _next(workshop, pending)
    _apply(root, change)
    root.expires = in_utc(expires or max(root.expires, now + ROOT_LIFE))
    made = Metadata(root)
    write_pending(workshop, "root", made)
    return made


def _next(workshop: Workshop, pending: object) -> Root:
    """Return a root to change: a copy of the pending one, or the version after the newest."""
    if isinstance(pending, Metadata) and isinstance(pending.signed, Root):
        return pending.signed
    root = workshop.root().signed
    root.version += 1
    return root


def _apply(root: Root, change: KeyChange) -> None:
    for beginning in change.remove:
        root.revoke_key(_named(root.roles[change.role].keyids, beginning, change.role), change.role)
    for key in change.add:
        root.add_key(key, change.role)
    if change.threshold:
        root.roles[change.role].threshold = change.threshold
    check_threshold(change.role, root.roles[change.role].threshold, len(root.roles[change.role].keyids))


def _named(keyids: Sequence[str], beginning: str, role: str) -> str:
    found = [keyid for keyid in keyids if keyid.startswith(beginning)] if len(beginning) >= MIN_KEY_ID else []
    if len(found) != 1:
        raise PublishError(
            f"{beginning!r} names {len(found) or 'none'} of the keys of {role}: {', '.join(keyids)}. Give a full id, "
            f"or at least {MIN_KEY_ID} characters of its beginning."
        )
    return found[0]
