"""UDP, TCP, DoT, DoH: bytes in, bytes out, no policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockd.transports.dot import DotServer
    from blockd.transports.http.server import DohServer
    from blockd.transports.tcp import TcpServer
    from blockd.transports.udp import UdpServer
else:
    # Each is imported when it is first asked for: a command that needs one light module need not wait for all others.
    _PLACES = {
        "DohServer": "blockd.transports.http.server",
        "DotServer": "blockd.transports.dot",
        "TcpServer": "blockd.transports.tcp",
        "UdpServer": "blockd.transports.udp",
    }

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(_PLACES[name]), name)
        return found


__all__ = ["DohServer", "DotServer", "TcpServer", "UdpServer"]
