from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.upstream import UpstreamSimulator


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    """A recursive resolver on loopback that a test programs."""
    with UpstreamSimulator() as simulator:
        yield simulator
