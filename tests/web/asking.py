"""Questions to a block page that runs on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from blockd.web.block_page import serve_block_page
from tests.web.sinkhole import Sinkhole


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


def ask(
    sinkhole: Sinkhole,
    bound: socket.socket,
    host: str = "blocked.example",
    *,
    method: str = "GET",
    path: str = "/any/path?query=1",
    **headers: str,
) -> Answer:
    """Ask a real server on a real socket once."""

    async def asked() -> Answer:
        serving = await serve_block_page(sinkhole.site, [bound])
        try:
            sent = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}, Host=host)
            url = URL(f"http://127.0.0.1:{bound.getsockname()[1]}{path}", encoded=True)
            async with aiohttp.ClientSession() as session, session.request(method, url, headers=sent) as response:
                return Answer(response.status, response.headers, await response.text())
        finally:
            await serving.close()

    return asyncio.run(asked())


def ask_anew(
    sinkhole: Sinkhole, host: str = "blocked.example", *, method: str = "GET", path: str = "/", **headers: str
) -> Answer:
    """Ask a server of its own, so that a test may ask more than once."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return ask(sinkhole, bound, host, method=method, path=path, **headers)
