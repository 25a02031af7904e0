"""Both engines, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from blockd.native import is_native
from blockd.tls import CertificatePair, ServerTls
from blockd.tls.choice import EXTENSION, server_tls

MakeServer = Callable[..., ServerTls]


@pytest.fixture(params=["native", "python"])
def make_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MakeServer:
    """Return `server_tls` of one engine."""
    monkeypatch.setenv("BLOCKD_ENGINE", "")
    if request.param == "native" and not is_native(EXTENSION):
        pytest.skip("the extension over libssl was not built")
    monkeypatch.setenv("BLOCKD_ENGINE", request.param)

    def make(pairs: Sequence[CertificatePair], alpn: Sequence[str] = ("dot",)) -> ServerTls:
        return server_tls(pairs, alpn)

    return make
