"""DNS over TCP (RFC 7766): each answer is sent once it is ready."""

from __future__ import annotations

import socket

from blockd.metrics import Transport
from blockd.transports.stream_server import StreamServer
from blockd.transports.tcp_connection import TcpConnection


class TcpServer(StreamServer):
    """The TCP side of a worker."""

    transport = Transport.TCP

    def connect(self, host: str, sock: socket.SocketType) -> TcpConnection:
        """Return a client's connection."""
        return TcpConnection(self, host, sock)
