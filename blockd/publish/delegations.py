"""The authorities of a repository: one delegated role for each, in a part of the repository that is its own.

DIR/delegations.json holds them as they are staged, in the form that TUF's targets metadata has; the targets role signs
them. A role may sign `orders/ROLE/*` and `lists/ROLE/*` and nothing else, and delegates nothing further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from blockd.errors import PublishError
from blockd.files import replace_file
from blockd.orders.fields import MAX_TEXT
from blockd.orders.repository import AUTHORITY_FIELD, MAX_AUTHORITIES, TOP_ROLES, is_role, paths_of

MAX_KEYS = 32  # of one role; more people than ever sign one order


def checked_role(role: str) -> str:
    """Give `role` where it can be an authority's; raises PublishError."""
    if not is_role(role):
        raise PublishError(
            f"{role!r} cannot be an authority's role: small letters, digits and hyphens, 1 to 32 of them, are allowed, "
            f"and none of {', '.join(TOP_ROLES)}."
        )
    return role


def read_delegations(path: Path) -> Delegations:
    """Read what is staged; empty where nothing is. Raises PublishError."""
    try:
        return Delegations.from_dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Delegations({}, roles={})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PublishError(f"{path} cannot be used: {error}. Bring it back from a backup.") from error


def write_delegations(path: Path, delegations: Delegations) -> None:
    """Stage the authorities."""
    replace_file(path, (json.dumps(delegations.to_dict(), sort_keys=True, indent=1) + "\n").encode())


def roles_of(targets: Targets) -> Mapping[str, DelegatedRole]:
    """Give the authorities that signed metadata delegates to, by role; none where it delegates to nobody."""
    return (targets.delegations.roles or {}) if targets.delegations else {}


def delegate(delegations: Delegations, role: str, name: str, keys: Sequence[Key], threshold: int) -> None:
    """Add an authority, or change the one that is there: an empty `name`, no `keys`, a `threshold` of 0 stay as is.

    Raises PublishError where the result could not be signed by anybody.
    """
    roles = delegations.roles or {}
    there = roles.get(checked_role(role))
    if there is None and (not name.strip() or not keys):
        raise PublishError(f"{role} is new here: an authority needs its full name and at least one public key.")
    if there is None and len(roles) >= MAX_AUTHORITIES:
        raise PublishError(f"A repository has at most {MAX_AUTHORITIES} authorities; nothing was changed.")
    if len(name) > MAX_TEXT or not name.isprintable():
        raise PublishError(f"An authority's name has at most {MAX_TEXT} characters, all of them printable.")
    keyids = list(dict.fromkeys(key.keyid for key in keys)) or list(there.keyids if there else ())
    needed = threshold or (there.threshold if there else 1)
    check_threshold(role, needed, len(keyids))
    full_name = name.strip() or (authority_name(there) if there else "")
    changed = DelegatedRole(role, keyids, needed, True, paths_of(role), None, {AUTHORITY_FIELD: full_name})
    delegations.roles = {**roles, role: changed}
    delegations.keys.update({key.keyid: key for key in keys})
    _drop_unused_keys(delegations)


def undelegate(delegations: Delegations, role: str) -> None:
    """Remove an authority; raises PublishError where there is none of that role."""
    roles = dict(delegations.roles or {})
    if roles.pop(role, None) is None:
        raise PublishError(f"{role} is no authority here; there are: {', '.join(roles) or 'none'}.")
    delegations.roles = roles
    _drop_unused_keys(delegations)


def authority_name(role: DelegatedRole) -> str:
    """Give the full name of the authority whose role it is."""
    return str(role.unrecognized_fields.get(AUTHORITY_FIELD, ""))


def check_threshold(role: str, threshold: int, keys: int) -> None:
    """Raise PublishError where `keys` different people cannot be `threshold`."""
    if keys > MAX_KEYS:
        raise PublishError(f"{role} would have {keys} keys; {MAX_KEYS} are the limit.")
    if not 0 < threshold <= keys:
        raise PublishError(
            f"{role} would have {keys} keys and need {threshold} signatures, so nobody could sign; nothing was changed."
        )


def _drop_unused_keys(delegations: Delegations) -> None:
    used = {keyid for role in (delegations.roles or {}).values() for keyid in role.keyids}
    delegations.keys = {keyid: key for keyid, key in delegations.keys.items() if keyid in used}
