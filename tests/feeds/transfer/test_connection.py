"""Why a primary cannot be asked is told in the system's words, whatever asyncio makes of them."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl

import pytest

from blockd.errors import FeedUnreachable, cause_of
from blockd.feeds.transfer.connection import ask_once, connected
from blockd.settings import SocketAddress


def test_a_closed_port_is_told_in_the_words_of_the_system() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and listens to nobody
        address = SocketAddress("127.0.0.1", held.getsockname()[1])

        async def connect() -> None:
            async with connected(address, 5.0):
                pass

        with pytest.raises(FeedUnreachable) as refused:
            asyncio.run(connect())
        with pytest.raises(FeedUnreachable) as unasked:
            asyncio.run(ask_once(address, bytes(12)))
    why = os.strerror(errno.ECONNREFUSED)
    assert str(refused.value) == f"it cannot be connected to ({why})"
    assert str(unasked.value) == f"it cannot be asked ({why})"
    assert cause_of(OSError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 53)")) == "connection refused"
    assert cause_of(ssl.SSLError(1, "wrong version number")) == "wrong version number"
