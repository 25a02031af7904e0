from __future__ import annotations

import socket

from blockd.settings import Settings
from blockd.transports.binding import TCP_RECEIVE_BUFFER, TCP_SEND_BUFFER, bind


def test_what_the_kernel_holds_of_one_connection_is_bounded() -> None:
    config = {
        "listen": {
            "dns": [f"127.0.0.1:{free_port()}"],
            "block_page": {"http": [], "https": []},
            "admin": f"127.0.0.1:{free_port()}",
        },
        "workers": 1,
    }
    sockets = bind(Settings.model_validate(config), "a test")
    try:
        ((listening,),) = sockets.tcp
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                for option, octets in ((socket.SO_RCVBUF, TCP_RECEIVE_BUFFER), (socket.SO_SNDBUF, TCP_SEND_BUFFER)):
                    granted = accepted.getsockopt(socket.SOL_SOCKET, option)
                    assert granted == 2 * octets, "socket(7): the kernel doubles it"
    finally:
        sockets.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
