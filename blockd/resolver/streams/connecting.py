"""Making a connection to an upstream: the socket, TLS, and the protocol that its transport asks for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from blockd.resolver.streams.causes import handshake_failed, unreachable
from blockd.resolver.streams.connection import ConnectionOwner, UpstreamConnection
from blockd.resolver.streams.framed import FramedConnection
from blockd.resolver.streams.listener import FailureKind
from blockd.resolver.streams.options import StreamOptions
from blockd.resolver.streams.scope import socket_address
from blockd.resolver.streams.tls import UpstreamProof
from blockd.settings import Upstream

UNACKNOWLEDGED = 10_000  # milliseconds that the upstream's kernel may take to acknowledge (RFC 5482)
SHUTDOWN_TIME = 1.0  # seconds for the other side's end of TLS


class NotConnected(Exception):
    """No connection could be made: `kind` says at which step, `why` continues the upstream's name."""

    def __init__(self, kind: FailureKind, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


async def connect(
    upstream: Upstream,
    proof: UpstreamProof | None,
    owner: ConnectionOwner,
    options: StreamOptions,
    clock: Callable[[], float],
) -> UpstreamConnection:
    """Return a connection that can be used, within twice `connect_time`; raises NotConnected.

    With a proof it is encrypted and has been proven; without, the upstream is one of those asked in plain text.
    """
    assert (proof is None) == (upstream.transport in ("udp", "tcp"))  # noqa: S101 - never in plain text instead
    loop = asyncio.get_running_loop()
    sock = await _connected(upstream, options)
    connection = _protocol(upstream, owner, options, proof, clock)
    try:
        async with asyncio.timeout(options.connect_time):
            if proof is None:
                await loop.create_connection(lambda: connection, sock=sock)
            else:
                await loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=proof.begin(),
                    server_hostname=proof.server_name,
                    ssl_handshake_timeout=2 * options.connect_time,  # the loops' own words for it differ
                    ssl_shutdown_timeout=SHUTDOWN_TIME,
                )
            await connection.settled.wait()
    except TimeoutError as error:
        connection.end("http", "")
        what = "TLS and HTTP/2" if upstream.transport == "https" else "TLS"
        raise NotConnected("tls", f"took longer than {options.connect_time:g} seconds for {what}") from error
    except OSError as error:
        raise NotConnected("tls", handshake_failed(error)) from error
    except asyncio.CancelledError:
        connection.end("closed", "")
        raise
    if not connection.is_open:
        raise NotConnected(*connection.failure)
    return connection


async def _connected(upstream: Upstream, options: StreamOptions) -> socket.socket:
    """Return a socket connected to an upstream."""
    try:
        family, address = socket_address(upstream)
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise NotConnected("connect", unreachable(error)) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # not everywhere; then `silence` notices it alone
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
        async with asyncio.timeout(options.connect_time):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except TimeoutError as error:
        sock.close()
        why = f"did not accept a connection in {options.connect_time:g} seconds"
        raise NotConnected("connect", why) from error
    except OSError as error:
        sock.close()
        raise NotConnected("connect", unreachable(error)) from error
    except BaseException:
        sock.close()
        raise
    return sock


def _protocol(
    upstream: Upstream,
    owner: ConnectionOwner,
    options: StreamOptions,
    proof: UpstreamProof | None,
    clock: Callable[[], float],
) -> UpstreamConnection:
    if upstream.transport != "https":
        return FramedConnection(owner, options, proof, clock)
    from blockd.resolver.streams.http2 import Http2Connection  # takes memory that few need

    return Http2Connection(owner, options, proof, clock, upstream)
