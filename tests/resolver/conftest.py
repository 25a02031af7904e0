from __future__ import annotations

from pathlib import Path

import pytest

from tests.resolver.rig import Rig
from tests.upstream import UpstreamSimulator


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    """A pipeline that asks `upstream`, and enforces nothing yet."""
    return Rig(tmp_path, upstream.upstream)
