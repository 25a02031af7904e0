from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.web.sinkhole import Sinkhole


@pytest.fixture
def sinkhole() -> Sinkhole:
    return Sinkhole()


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        yield made
