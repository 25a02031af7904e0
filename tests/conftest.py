from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.upstream import UpstreamSimulator

# No test depends on the machine's speed: on a busy one any example may be slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    """A recursive resolver on loopback that a test programs."""
    with UpstreamSimulator() as simulator:
        yield simulator
