from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a feed."""
    folder = tmp_path / "feed"
    folder.mkdir()
    return folder
