"""What a node has seen of a repository: asked at its admin port, by the versions of the authorities' parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blockd.cli.admin_client import ask_at
from blockd.errors import CommandError
from blockd.publish import Workshop
from blockd.publish.signed_orders import OrderProgress
from blockd.publish.workshop import TARGETS


@dataclass(frozen=True, slots=True)
class SeenByNode:
    """The versions that a node enforces, by role; `targets` is the repository's own part."""

    versions: Mapping[str, int]

    def has(self, workshop: Workshop, progress: OrderProgress) -> bool:
        """Return whether the node has the order as it is published."""
        role = progress.role or TARGETS
        published = workshop.published(role)
        return published is not None and self.versions.get(role, 0) >= published.signed.version


def seen_by(node: str) -> SeenByNode:
    """Ask a node; raises CommandError if it does not answer, or has not exactly one signed feed."""
    feeds = [feed for feed in ask_at(node, "/api/v1/status")["feeds"] if feed.get("type") == "signed"]
    if len(feeds) != 1:
        raise CommandError(f"The node at {node} has {len(feeds)} signed feeds; expected one, to compare its versions.")
    feed = feeds[0]
    versions = {str(part["role"]): int(part["version"] or 0) for part in feed["authorities"]}
    own = str(feed["version"] or 0)
    return SeenByNode({**versions, TARGETS: int(own) if own.isdigit() else 0})
