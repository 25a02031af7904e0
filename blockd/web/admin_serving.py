"""The admin port's server, by aiohttp: few connections, and enough time for a refresh."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy

from blockd.transports.connections import Bounds
from blockd.web.admin_door import AdminServing
from blockd.web.api.replies import complete, problem
from blockd.web.bounds.admin_closings import AdminClosings
from blockd.web.bounds.local_users import SocketOwners
from blockd.web.lingering import MAX_LINGER
from blockd.web.serving import BoundedConnection, ServingLimits

# Connections: a scraper, a browser and a command line. A local user has as many as an address.
ADMIN_BOUNDS = Bounds(address=20, prefix=30, all=50)
MAX_ADMIN_LIFETIME = 600.0  # seconds: a refresh fetches every feed before it answers
BODY = 10.0  # seconds in which a request's body is to come, once its head has: 64 KB by the slowest of links
SHUTDOWN = 1.0  # seconds for pending answers when the server closes

_log = logging.getLogger(__name__)


async def serve_admin(
    app: web.Application,
    sockets: Sequence[socket.socket],
    bounds: Bounds = ADMIN_BOUNDS,
    closings: AdminClosings | None = None,
    owners: SocketOwners | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> AdminServing:
    """Serve the admin port on bound sockets: few connections, and enough time for a refresh.

    Over TCP it is in TLS if there is `tls`, which returns the context for a new connection. No address is logged.
    `closings` counts the connections that are closed for the sake of others.
    """
    closings = closings or AdminClosings()
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    manager = cast(web.Server, runner.server)  # created by setup
    loop = asyncio.get_running_loop()

    def make(bounded: BoundedConnection) -> asyncio.Protocol:
        return _Connection(
            bounded,
            lambda: serving.client_of(bounded),
            manager,
            loop=loop,
            logger=_log,
            access_log=None,  # then aiohttp writes no access log
            lingering_time=MAX_LINGER,
            auto_decompress=False,
        )

    limits = ServingLimits(bounds, MAX_ADMIN_LIFETIME, closed=closings.count)
    serving = AdminServing(make, sockets, limits, runner.cleanup, closings, owners or SocketOwners(), tls)
    return serving


def client_of(request: web.BaseRequest) -> bytes:
    """Return octets that stand for who asks, see `Newcomer.client`; empty if that is not known."""
    return request.protocol.client if isinstance(request.protocol, _Connection) else b""


async def body_of(request: web.Request) -> bytes:
    """Return a request's body; raises TimeoutError if it does not come in BODY seconds, and as `Request.read` does."""
    async with asyncio.timeout(BODY):
        body = await request.read()
    if isinstance(request.protocol, _Connection):
        request.protocol.wait()
    return body


class _Connection(web.RequestHandler):
    """aiohttp's connection, which logs no address, answers in HTTP/1, and does not reveal the software if it fails.

    It waits for an answer from a whole request on, its body included, and is idle again while the client reads the
    answer. So who sends a body slowly keeps no place from others.
    """

    __slots__ = ("_bounded", "_client")

    def __init__(
        self, bounded: BoundedConnection, client: Callable[[], bytes], *given: object, **named: object
    ) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        self._bounded = bounded
        self._client = client
        made = cast(Callable[..., web.BaseRequest], self._request_factory)  # which the base has set

        def request(message: RawRequestMessage, payload: StreamReader, *rest: object) -> web.BaseRequest:
            bounded.touch()
            bounded.set_waiting(payload.is_eof())
            return made(_plain(message), payload, *rest)

        self._request_factory = request

    @property
    def client(self) -> bytes:
        """Octets that stand for the client; empty if that is not known."""
        return self._client()

    def wait(self) -> None:
        """Note that the body has come."""
        self._bounded.set_waiting(True)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer."""
        self._bounded.set_waiting(False)
        if isinstance(resp, web.HTTPException):  # of aiohttp itself: an expectation that nothing meets
            resp = _refused(resp.status, "The header Expect may have 100-continue alone (RFC 9110 section 10.1.1).")
        sent = await super().finish_response(request, resp, start_time)
        self._bounded.touch()
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be parsed, or whose handler failed."""
        if status >= 500:
            _log.error("A request could not be answered.", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was in progress")
        return _refused(*_told(status, exc))


def _refused(status: int, sentence: str) -> web.Response:
    """Return the answer to a request that no handler was asked for, after which the connection ends."""
    response = problem(status, sentence)
    complete(response)
    response.force_close()
    return response


def _plain(message: RawRequestMessage) -> RawRequestMessage:
    """Return a request in a version in which it can be answered, and with the host in the Host header alone.

    If its first line has a whole URL, it is the host in that which counts (RFC 9112 section 3.2.2).
    """
    headers = message.headers
    if message.url.absolute:
        named = CIMultiDict(headers)
        named[hdrs.HOST] = message.url.raw_authority
        headers = CIMultiDictProxy(named)
    return message._replace(version=min(max(message.version, HttpVersion10), HttpVersion11), headers=headers)


def _told(status: int, error: BaseException | None) -> tuple[int, str]:
    """Return the status and the sentence for a request that cannot be parsed, or whose handler failed."""
    if status >= 500:
        return status, "blockd failed to answer; see its log. What is enforced has not changed."
    if isinstance(error, LineTooLong):
        return 431, "The request's first line or one of its header fields is too long."
    if isinstance(error, BadHttpMessage) and "too many" in str(error).lower():
        return 431, "The request has too many header fields."
    return status, "The request cannot be read as HTTP/1.1."
