from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.publisher import Publisher
from tests.daemon.updater_rig import Run, runner
from tests.upstream import UpstreamSimulator


@pytest.fixture(scope="session")
def resolver() -> Iterator[UpstreamSimulator]:
    """The recursive resolver that all daemons of these tests forward to."""
    with UpstreamSimulator() as simulator:
        for number in range(20):
            simulator.plan(f"open-{number}.example", "A", f"open-{number}.example. 60 IN A 192.0.2.{number}")
        simulator.plan("example.com", "A", "example.com. 60 IN A 192.0.2.200")
        yield simulator


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """Publishes a signed list with one order for listed.example."""
    made = Publisher(tmp_path / "authority")
    made.order("order-1", ["listed.example"])
    made.publish()
    return made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a check on an updater."""
    return runner(tmp_path)
