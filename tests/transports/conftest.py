from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from tests.resolver.rig import Rig, order
from tests.transports.loops import Loops, Run, runner
from tests.upstream import UpstreamSimulator


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine, the test once in each kind of loop."""
    loops: Loops = request.param
    return runner(loops)


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    """A pipeline that blocks telegram.org and asks `upstream` for the rest."""
    made = Rig(tmp_path, upstream.upstream, is_tidy=False)
    made.enforce([(order(), ["telegram.org"])])
    return made
