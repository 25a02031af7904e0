"""DNS over TLS (RFC 7858): messages framed as over TCP, in a TLS session."""

from __future__ import annotations

from blockd.metrics import Transport
from blockd.transports.tcp import TcpServer

ALPN = ("dot",)  # RFC 7858 section 3.2; a client that names no protocol is served as well


class DotServer(TcpServer):
    """The DoT side of a worker; `tls` must be given, made with ALPN."""

    transport = Transport.DOT
