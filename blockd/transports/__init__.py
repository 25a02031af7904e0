"""UDP, TCP, DoT, DoH: bytes in, bytes out, no policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockd.lazy import attributes_of

if TYPE_CHECKING:
    from blockd.transports.dot import DotServer
    from blockd.transports.http.server import DohServer
    from blockd.transports.tcp import TcpServer
    from blockd.transports.udp import UdpServer
else:
    __getattr__ = attributes_of(
        __name__,
        {
            "DohServer": "blockd.transports.http.server",
            "DotServer": "blockd.transports.dot",
            "TcpServer": "blockd.transports.tcp",
            "UdpServer": "blockd.transports.udp",
        },
    )


__all__ = ["DohServer", "DotServer", "TcpServer", "UdpServer"]
