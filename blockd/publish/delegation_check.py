"""The check that an authority's signed metadata matches its delegation: keys, threshold and name.

Nodes accept nothing of a role that does not match. A delegation that is published before the authority has signed under
it would therefore end all of its orders at once, although nobody decided that.
"""

from __future__ import annotations

import json

from tuf.api.metadata import Metadata, Snapshot, Targets

from blockd.errors import PublishError
from blockd.publish.delegations import authority_name, roles_of
from blockd.publish.next_metadata import content_of, identifier_of
from blockd.publish.workshop import Workshop, verifies


def newest_fitting(workshop: Workshop, targets: Targets, role: str) -> int:
    """Return the newest version of a role's metadata that its keys in `targets` have signed; 0 if there is none."""
    versions = reversed(workshop.versions(role))
    return next((version for version in versions if _is_signed(workshop, targets, role, version)), 0)


def lifted_by_accident(workshop: Workshop, newest: Targets, snapshot: Snapshot, published: Targets) -> dict[str, str]:
    """Return the roles whose published orders nodes would lose with `newest`, each with the reason.

    `snapshot` and `published` are what nodes have. A removed authority is not among them: its removal was requested.
    """
    before, after = roles_of(published), roles_of(newest)
    lost = {}
    for role in before.keys() & after.keys():
        if before[role] == after[role] or f"{role}.json" not in snapshot.meta:
            continue
        version = max(newest_fitting(workshop, newest, role), snapshot.meta[f"{role}.json"].version)
        name = authority_name(after[role])
        if not _is_signed(workshop, newest, role, version):
            lost[role] = "its new keys have not signed it yet: sign it with them"
        elif authority_name(before[role]) != name and not _is_named(workshop, role, version, name):
            lost[role] = f"its new name is {name!r}, but its orders have another: change and sign them"
    return dict(sorted(lost.items()))


def _is_signed(workshop: Workshop, targets: Targets, role: str, version: int) -> bool:
    try:
        metadata = _load(workshop, role, version)
    except PublishError:
        return False  # the file is missing here, and cannot be published
    return verifies(targets, role, metadata)


def _is_named(workshop: Workshop, role: str, version: int, name: str) -> bool:
    """Return whether every order names the authority."""
    for path, target in _load(workshop, role, version).signed.targets.items():
        if not identifier_of(path):
            continue
        content = content_of(workshop, target)
        if content is None or json.loads(content).get("authority") != name:
            return False
    return True


def _load(workshop: Workshop, role: str, version: int) -> Metadata[Targets]:
    return workshop.load(f"{version}.{role}.json", Targets)
