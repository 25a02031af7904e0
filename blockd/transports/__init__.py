"""UDP, TCP, DoT, DoH: bytes in, bytes out, no policy."""

from blockd.transports.dot import DotServer
from blockd.transports.http.server import DohServer
from blockd.transports.tcp import TcpServer
from blockd.transports.udp import UdpServer

__all__ = ["DohServer", "DotServer", "TcpServer", "UdpServer"]
