"""The servers of the incident's page: over HTTP, and over HTTPS with the operator's certificates."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from blockd.metrics import StreamEvent
from blockd.tls import ServerTls
from blockd.transports.pace import PaceBounds
from blockd.web.public.site import PublicSite
from blockd.web.public.visit import Visit, Visits
from blockd.web.serving import Serving, ServingLimits

ALPN = ("http/1.1",)
# Visits within a second: each is a connection of its own, and somebody who reads opens one every few seconds.
PUBLIC_PACE = PaceBounds(address=20, prefix=100)


def serve_public(
    public: PublicSite,
    http: Sequence[socket.socket],
    https: Sequence[socket.socket],
    tls: ServerTls | None,
    limits: ServingLimits,
    happened: Callable[[StreamEvent], None],
) -> list[Serving]:
    """Serve the page on bound sockets, listening or not; nothing is logged about clients.

    Without `tls` nothing is served over HTTPS.
    """
    visits = Visits(public, happened)
    serving = [Serving(lambda connection: Visit(visits, connection), http, limits)]
    if tls is not None:
        serving.append(Serving(lambda connection: Visit(visits, connection, tls.session()), https, limits))
    return serving
