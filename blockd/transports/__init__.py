"""UDP and TCP: bytes in, bytes out, no policy."""

from blockd.transports.tcp import TcpServer
from blockd.transports.udp import UdpServer

__all__ = ["TcpServer", "UdpServer"]
