"""Whether what an authority has signed fits the delegation to it: its keys, its threshold, its name.

Nodes take nothing of a role that does not. A delegation that is published before the authority has signed by it would
therefore end all of its orders at once, and nobody would have said so.
"""

from __future__ import annotations

import json

from tuf.api.metadata import Metadata, Snapshot, Targets

from blockd.errors import PublishError
from blockd.publish.delegations import authority_name, roles_of
from blockd.publish.next_metadata import content_of, identifier_of
from blockd.publish.workshop import Workshop, verifies


def newest_fitting(workshop: Workshop, targets: Targets, role: str) -> int:
    """Give the newest version of a role's metadata that its keys in `targets` have signed; 0 where none is."""
    versions = reversed(workshop.versions(role))
    return next((version for version in versions if _is_signed(workshop, targets, role, version)), 0)


def lifted_by_accident(workshop: Workshop, newest: Targets, snapshot: Snapshot, published: Targets) -> dict[str, str]:
    """Give the roles whose published orders nodes would lose with `newest`, each with why.

    `snapshot` and `published` are what nodes have. An authority that is removed is none of them: that was asked for.
    """
    before, after = roles_of(published), roles_of(newest)
    lost = {}
    for role in before.keys() & after.keys():
        if before[role] == after[role] or f"{role}.json" not in snapshot.meta:
            continue
        version = max(newest_fitting(workshop, newest, role), snapshot.meta[f"{role}.json"].version)
        name = authority_name(after[role])
        if not _is_signed(workshop, newest, role, version):
            lost[role] = "the keys that it is to have have signed nothing yet: sign it with them"
        elif authority_name(before[role]) != name and not _is_named(workshop, role, version, name):
            lost[role] = f"it is to be called {name!r}, and its orders say otherwise: change and sign them"
    return dict(sorted(lost.items()))


def _is_signed(workshop: Workshop, targets: Targets, role: str, version: int) -> bool:
    try:
        metadata = _load(workshop, role, version)
    except PublishError:
        return False  # it is not here, and no copy of it can be published
    return verifies(targets, role, metadata)


def _is_named(workshop: Workshop, role: str, version: int, name: str) -> bool:
    """Whether every order says that it is of the authority."""
    for path, target in _load(workshop, role, version).signed.targets.items():
        if not identifier_of(path):
            continue
        content = content_of(workshop, target)
        if content is None or json.loads(content).get("authority") != name:
            return False
    return True


def _load(workshop: Workshop, role: str, version: int) -> Metadata[Targets]:
    return workshop.load(f"{version}.{role}.json", Targets)
