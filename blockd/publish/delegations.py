"""The authorities of a repository: one delegated role for each, with its own part of the repository.

DIR/delegations.json holds them as they are staged, in the form of TUF's targets metadata; the targets role signs them.
A role may sign `orders/ROLE/*` and `lists/ROLE/*` and nothing else, and delegates nothing further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from blockd.errors import PublishError, cause_of
from blockd.files import replace_file
from blockd.orders.fields import MAX_TEXT
from blockd.orders.repository import (
    AUTHORITY_FIELD,
    MAX_AUTHORITIES,
    MAY_LIFT_FIELD,
    OWN_ROLE,
    TOP_ROLES,
    checked_may_lift,
    is_role,
    parse_may_lift,
    paths_of,
)

MAX_KEYS = 32  # of one role; far more people than sign one order


def checked_role(role: str) -> str:
    """Return `role` if it can be an authority's; raises PublishError otherwise."""
    if not is_role(role):
        raise PublishError(
            f"{role!r} cannot be an authority's role: expected 1 to 32 lower-case letters, digits and hyphens, but not "
            f"{', '.join(TOP_ROLES)}."
        )
    return role


def read_delegations(path: Path) -> Delegations:
    """Return the staged delegations; empty if there are none. Raises PublishError."""
    try:
        return Delegations.from_dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Delegations({}, roles={})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PublishError(f"{path} cannot be used: {cause_of(error)}. Restore it from a backup.") from error


def write_delegations(path: Path, delegations: Delegations) -> None:
    """Stage the authorities."""
    replace_file(path, (json.dumps(delegations.to_dict(), sort_keys=True, indent=1) + "\n").encode())


def roles_of(targets: Targets) -> Mapping[str, DelegatedRole]:
    """Return the authorities that signed metadata delegates to, by role."""
    return (targets.delegations.roles or {}) if targets.delegations else {}


def delegate(
    delegations: Delegations,
    role: str,
    name: str,
    keys: Sequence[Key],
    threshold: int,
    may_lift: Sequence[str] | None = None,
) -> None:
    """Add or change an authority: with an empty `name`, no `keys` or a `threshold` of 0, that part stays as it is.

    `may_lift` has the roles whose orders it may lift; None leaves them as they are, and none at all takes it away.

    Raises PublishError if nobody could sign the result.
    """
    roles = delegations.roles or {}
    there = roles.get(checked_role(role))
    if there is None and (not name.strip() or not keys):
        raise PublishError(f"{role} is a new authority, which needs its full name and at least one public key.")
    if there is None and len(roles) >= MAX_AUTHORITIES:
        raise PublishError(f"A repository can have at most {MAX_AUTHORITIES} authorities; nothing was changed.")
    if len(name) > MAX_TEXT or not name.isprintable():
        raise PublishError(f"An authority's name must have at most {MAX_TEXT} characters, all of them printable.")
    keyids = list(dict.fromkeys(key.keyid for key in keys)) or list(there.keyids if there else ())
    needed = threshold or (there.threshold if there else 1)
    check_threshold(role, needed, len(keyids))
    full_name = name.strip() or (authority_name(there) if there else "")
    lifted = may_lift_of(there) if may_lift is None and there else _checked_lifted(role, roles, may_lift or ())
    fields = {AUTHORITY_FIELD: full_name, **({MAY_LIFT_FIELD: list(lifted)} if lifted else {})}
    changed = DelegatedRole(role, keyids, needed, True, paths_of(role), None, fields)
    delegations.roles = {**roles, role: changed}
    delegations.keys.update({key.keyid: key for key in keys})
    _drop_unused_keys(delegations)


def undelegate(delegations: Delegations, role: str) -> None:
    """Remove an authority; raises PublishError if there is none of that role."""
    roles = dict(delegations.roles or {})
    if roles.pop(role, None) is None:
        raise PublishError(f"{role} is not an authority here; authorities: {', '.join(roles) or 'none'}.")
    lifting = sorted(name for name, other in roles.items() if role in may_lift_of(other))
    if lifting:
        raise PublishError(
            f"{', '.join(lifting)} may lift the orders of {role}: take that away first, with delegate ROLE --may-lift "
            f"and the other roles or none; nothing was changed."
        )
    delegations.roles = roles
    _drop_unused_keys(delegations)


def authority_name(role: DelegatedRole) -> str:
    """Return the full name of the authority with this role."""
    return str(role.unrecognized_fields.get(AUTHORITY_FIELD, ""))


def may_lift_of(role: DelegatedRole) -> tuple[str, ...]:
    """Return the roles whose orders an authority may lift; raises PublishError if that cannot be read."""
    try:
        return parse_may_lift(role.name, role.unrecognized_fields.get(MAY_LIFT_FIELD))
    except ValueError as error:
        raise PublishError(f"The delegation to {role.name} has a wrong {MAY_LIFT_FIELD}: {error}.") from error


def _checked_lifted(role: str, roles: Mapping[str, DelegatedRole], may_lift: Sequence[str]) -> tuple[str, ...]:
    try:
        lifted = checked_may_lift(role, may_lift)
    except ValueError as error:
        raise PublishError(f"{role} cannot be allowed to lift these orders: {error}.") from error
    for other in lifted:
        if other not in roles and other != OWN_ROLE:
            raise PublishError(
                f"{other} is not an authority here, so {role} cannot lift its orders; authorities: "
                f"{', '.join(roles) or 'none'}. {OWN_ROLE} stands for the repository's own orders."
            )
    return lifted


def check_threshold(role: str, threshold: int, keys: int) -> None:
    """Raise PublishError if `keys` are too many, or fewer than `threshold`."""
    if keys > MAX_KEYS:
        raise PublishError(f"{role} would have {keys} keys; the limit is {MAX_KEYS}.")
    if not 0 < threshold <= keys:
        raise PublishError(
            f"{role} would have {keys} keys and need {threshold} signatures, so nobody could sign; nothing was changed."
        )


def _drop_unused_keys(delegations: Delegations) -> None:
    used = {keyid for role in (delegations.roles or {}).values() for keyid in role.keyids}
    delegations.keys = {keyid: key for keyid, key in delegations.keys.items() if keyid in used}
