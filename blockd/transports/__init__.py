"""UDP, TCP, DoT: bytes in, bytes out, no policy."""

from blockd.transports.dot import DotServer
from blockd.transports.tcp import TcpServer
from blockd.transports.udp import UdpServer

__all__ = ["DotServer", "TcpServer", "UdpServer"]
