"""The parts of a signed repository: what the repository itself lists, and what its authorities list.

An authority is a role that the top-level targets role delegates `orders/ROLE/*` and `lists/ROLE/*` to, terminating. The
delegation names the authority in full; all else is outside of its part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tuf.api.metadata import DelegatedRole, TargetFile, Targets

from blockd.errors import FeedRefused
from blockd.feeds.signed.limits import MAX_LIST_FILE, MAX_ORDERS, MAX_SHARE
from blockd.orders.fields import MAX_TEXT
from blockd.orders.repository import (
    AUTHORITY_FIELD,
    LISTS,
    MAX_AUTHORITIES,
    MAX_DOCUMENT,
    MAY_LIFT_FIELD,
    ORDERS,
    is_order_id,
    is_role,
    parse_may_lift,
    paths_of,
)
from blockd.printable import one_line, unproved

_FILE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", re.ASCII)
_DIGESTS = {  # that orders and lists may be known by, the one first that is used if there are several
    "sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "sha512": re.compile(r"[0-9a-f]{128}", re.ASCII),
    "sha384": re.compile(r"[0-9a-f]{96}", re.ASCII),
}
_SHOWN = 100  # characters of a wrong path


@dataclass(frozen=True, slots=True)
class Delegation:
    """A delegated role; `subject` begins a sentence about it, `fault` says why it is not a valid authority's role.

    `may_lift` has the roles whose orders it may lift.
    """

    role: str
    authority: str
    subject: str
    fault: FeedRefused | None = None
    may_lift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleTargets:
    """What one role lists: its orders by their ids, in ascending order, and its files of names by their paths.

    `role` and `authority` are empty for what the repository itself lists. `faults` are the orders that the metadata
    cannot list in this way, by their ids; each is refused alone.
    """

    role: str
    authority: str
    subject: str
    version: int
    expires: int  # seconds since the epoch
    orders: Mapping[str, TargetFile]
    lists: Mapping[str, TargetFile]
    faults: Mapping[str, FeedRefused] = field(default_factory=dict)

    @property
    def octets(self) -> int:
        """The total size of its orders, in octets."""
        return sum(target.length for target in self.orders.values())


def digest_of(target: TargetFile) -> str:
    """Return the digest that a target is known by, hexadecimal; empty if it has none that is strong enough."""
    for name, form in _DIGESTS.items():
        if form.fullmatch(target.hashes.get(name, "")):
            return target.hashes[name]
    return ""


def refused(reason: str, subject: str, what: str) -> FeedRefused:
    """Return the refusal of something that is signed, but not acceptable."""
    return FeedRefused(reason, f"{subject} {what}; what it gave before stays in force. Inform the authority.")


def order_refused(reason: str, part: RoleTargets | Delegation, identifier: str, what: str) -> FeedRefused:
    """Return the refusal of one order of a part; whether an earlier version of it stays is not known yet."""
    return FeedRefused(reason, f"{order_subject(part, identifier)} {what}. Inform the authority.")


def order_subject(part: RoleTargets | Delegation, identifier: str) -> str:
    """Return the beginning of a sentence about one order of a part."""
    whose, of_authority = part.subject, "The part of the authority "
    if whose.startswith(of_authority):
        return f"The order {identifier} of the authority {whose.removeprefix(of_authority)}"
    return f"The order {identifier} in {whose[0].lower()}{whose[1:]}"


def delegations(targets: Targets, subject: str) -> list[Delegation]:
    """Return the delegations in their order; raises FeedRefused if they cannot be delegations to authorities."""
    found = targets.delegations
    if found is None:
        return []
    if found.roles is None:
        raise refused("format", subject, "delegates by the hashes of paths, not to authorities")
    if len(found.roles) > MAX_AUTHORITIES:
        raise refused("too large", subject, f"has {len(found.roles)} authorities; {MAX_AUTHORITIES} are the limit")
    return [_delegation(role, subject) for role in found.roles.values()]


def _delegation(role: DelegatedRole, subject: str) -> Delegation:
    shown = role.name if is_role(role.name) else f"'{unproved(role.name, _SHOWN)}'"
    its = f"The part of the authority {shown} in {subject[0].lower()}{subject[1:]}"
    authority = role.unrecognized_fields.get(AUTHORITY_FIELD)
    named = isinstance(authority, str) and 0 < len(authority) <= MAX_TEXT
    if not is_role(role.name) or not named:
        what = f"has a role that cannot be an authority's, or no {AUTHORITY_FIELD}"
        return Delegation(shown, "", its, refused("format", its, what))
    if role.paths != paths_of(role.name) or not role.terminating:
        what = f"is not {' and '.join(paths_of(role.name))}, terminating"
        return Delegation(role.name, str(authority), its, refused("outside", its, what))
    try:
        may_lift = parse_may_lift(role.name, role.unrecognized_fields.get(MAY_LIFT_FIELD))
    except ValueError as error:
        return Delegation(
            role.name, str(authority), its, refused("format", its, f"has a wrong {MAY_LIFT_FIELD}: {error}")
        )
    return Delegation(role.name, str(authority), its, may_lift=may_lift)


def part_of(targets: Targets, delegation: Delegation) -> RoleTargets:
    """Return what a role lists; `delegation` has an empty role for the repository itself. Raises FeedRefused."""
    role, subject = delegation.role, delegation.subject
    if role and targets.delegations is not None:
        raise refused("outside", subject, "delegates further, which an authority may not")
    orders: dict[str, TargetFile] = {}
    lists: dict[str, TargetFile] = {}
    faults: dict[str, FeedRefused] = {}
    for path, kind, name in _listed(targets, delegation):
        target = targets.targets[path]
        has_digest = digest_of(target) != ""
        if kind == LISTS:
            if has_digest and _FILE.fullmatch(name) and target.length <= MAX_LIST_FILE:
                lists[path] = target  # an order that names another one is refused
            continue
        identifier = name.removesuffix(".json")
        if identifier == name or not is_order_id(identifier) or not has_digest:
            shown = one_line(identifier, _SHOWN)
            what = f"is listed as '{unproved(path, _SHOWN)}', which is not a path of orders with a digest by SHA-2"
            faults[shown] = order_refused("format", delegation, shown, what)
        elif target.length > MAX_DOCUMENT:
            what = f"has a document of {target.length} octets; {MAX_DOCUMENT} are the limit"
            faults[identifier] = order_refused("too large", delegation, identifier, what)
        else:
            orders[identifier] = target
    if len(orders) + len(faults) > MAX_ORDERS:
        raise refused("too large", subject, f"lists {len(orders) + len(faults)} orders; {MAX_ORDERS} are the limit")
    if (octets := sum(target.length for target in orders.values())) > MAX_SHARE:
        what = f"lists {octets} octets of orders; {MAX_SHARE} are the limit for one authority"
        raise refused("too large", subject, what)
    expires = int(targets.expires.timestamp())
    return RoleTargets(role, delegation.authority, subject, targets.version, expires, orders, lists, faults)


def _listed(targets: Targets, delegation: Delegation) -> Iterator[tuple[str, str, str]]:
    """Yield path, kind and name of every target; unknown targets of the repository itself are ignored."""
    role = delegation.role
    below = f"{role}/" if role else ""
    for path in sorted(targets.targets):
        kind, _, name = path.partition("/")
        if kind in (ORDERS, LISTS) and name.startswith(below):
            yield path, kind, name.removeprefix(below)
        elif role:
            raise refused(
                "outside", delegation.subject, f"lists '{unproved(path, _SHOWN)}', which is outside of its part"
            )
