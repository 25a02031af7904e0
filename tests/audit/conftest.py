from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.node import Node
from tests.audit.repository import Repository, moment, order

NOON = moment("2026-11-24T12:00:00")


@pytest.fixture
def repository() -> Repository:
    """A repository that signs at noon."""
    return Repository(NOON)


@pytest.fixture
def node(tmp_path: Path, repository: Repository) -> Iterator[Node]:
    """A node that trusts the repository's first root, at ten seconds past noon."""
    made = Node(tmp_path, repository.root, NOON.timestamp() + 10)
    yield made
    made.log.close()


@pytest.fixture
def story(node: Node, repository: Repository) -> Node:
    """A node that enforced two versions, the second with a rotated root, and stopped at 13:00."""
    first = repository.publish(
        {"order-1": order("order-1", ["listed.example"])},
        {"media-1": order("media-1", ["video.example"], expires="2026-11-24T12:30:00Z")},
    )
    node.enforce(first, NOON.timestamp() + 8.5, names=["national.example"])
    node.time += 600
    repository.rotate()
    second = repository.publish(
        {"order-1": order("order-1", ["listed.example"], lifted_on="2026-11-24T12:10:00Z", lifted_reason="Settled.")},
        {"media-1": order("media-1", ["video.example"], expires="2026-11-24T12:30:00Z")},
    )
    node.enforce(second, node.time - 2.25, names=["national.example"])
    node.pass_time(NOON.timestamp() + 1800.125 - node.time)
    node.time = NOON.timestamp() + 3600
    node.stop()
    return node
