"""Where programs lie that a daemon is upgraded to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that nobody else can write to, nor any above it."""
    folder = ROOT / "build" / f"test-upgrade-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
