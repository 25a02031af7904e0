"""What the tests of notices to the service manager share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.notify.systemd import Systemd, at


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """A service manager that listens, and keeps what it is given."""
    with at(tmp_path) as one:
        yield one
