from __future__ import annotations

import pytest

from blockd.transports.http.choice import EXTENSION
from blockd.transports.http.http2 import Http2Session
from tests.transports.http.raw import MakeSession


@pytest.fixture(params=["h2", "libnghttp2"])
def make(request: pytest.FixtureRequest) -> MakeSession:
    """Makes HTTP/2 sessions by each of the libraries."""
    if request.param == "h2":
        return Http2Session
    module = pytest.importorskip(EXTENSION, reason="libnghttp2's part was not built")
    made: MakeSession = module.NativeHttp2Session
    return made
