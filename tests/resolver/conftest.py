from __future__ import annotations

from pathlib import Path

import pytest

from tests.resolver.rig import HASTY, Rig
from tests.upstream import UpstreamSimulator


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    """A pipeline that asks `upstream`, and enforces nothing yet."""
    return Rig(tmp_path, upstream.upstream)


@pytest.fixture
def hasty_rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    """The same, for an `upstream` that will be silent."""
    return Rig(tmp_path, upstream.upstream, timeout=HASTY)
