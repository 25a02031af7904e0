"""The admin port's server, by aiohttp: few connections, and enough time for a refresh."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Sequence
from typing import cast

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.http_parser import RawRequestMessage

from blockd.web.serving import MAX_LINGER, OpenConnections, Serving, serve

MAX_ADMIN_CONNECTIONS = 50  # a scraper, a browser and a command line
MAX_ADMIN_LIFETIME = 600.0  # seconds: a refresh fetches every feed before it answers
SHUTDOWN = 1.0  # seconds for pending answers when the server closes

_log = logging.getLogger(__name__)


async def serve_admin(app: web.Application, sockets: Sequence[socket.socket]) -> Serving:
    """Serve the admin port on bound sockets: few connections, and enough time for a refresh.

    Nothing is logged about clients.
    """
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    manager = cast(web.Server, runner.server)  # created by setup
    loop = asyncio.get_running_loop()

    def make() -> asyncio.Protocol:
        return _Connection(
            manager,
            loop=loop,
            logger=_log,
            access_log=None,  # then aiohttp writes no access log
            lingering_time=MAX_LINGER,
            auto_decompress=False,
        )

    return await serve(make, sockets, OpenConnections(MAX_ADMIN_CONNECTIONS, MAX_ADMIN_LIFETIME), runner.cleanup)


class _Connection(web.RequestHandler):
    """aiohttp's connection, which logs no address, answers in HTTP/1, and does not reveal the software if it fails."""

    __slots__ = ()

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        made = cast(Callable[..., web.BaseRequest], self._request_factory)  # which the base has set

        def request(message: RawRequestMessage, *rest: object) -> web.BaseRequest:
            if message.version > HttpVersion11:  # that of the answer would be the same
                message = message._replace(version=HttpVersion11)
            return made(message, *rest)

        self._request_factory = request

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
        status, sentence = _told(status, exc)
        body = json.dumps({"error": sentence}, ensure_ascii=False) + "\n"
        headers = {hdrs.SERVER: "blockd", hdrs.CACHE_CONTROL: "no-store"}
        response = web.Response(status=status, text=body, content_type="application/json", headers=headers)
        response.force_close()
        return response


def _told(status: int, error: BaseException | None) -> tuple[int, str]:
    """Return the status and the sentence for a request that cannot be parsed, or whose handler failed."""
    if status >= 500:
        return status, "blockd failed to answer; see its log. What is enforced has not changed."
    if isinstance(error, LineTooLong):
        return 431, "The request's first line or one of its header fields is too long."
    if isinstance(error, BadHttpMessage) and "too many" in str(error).lower():
        return 431, "The request has too many header fields."
    return status, "The request cannot be read as HTTP/1.1."
