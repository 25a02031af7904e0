"""Asking the admin port in one test: a served application with a daemon that remembers, and any request to it."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from blockd.web.admin import admin_app
from blockd.web.admin_serving import serve_admin
from tests.web.known import SECRET, known
from tests.web.test_admin import Daemon


@dataclass
class Answered:
    """An answer, read whole."""

    status: int
    headers: CIMultiDict[str]
    body: str

    @property
    def json(self) -> dict[str, object]:
        """Its body as a JSON object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


Ask = Callable[..., Awaitable[Answered]]


def served(daemon: Daemon, use: Callable[[Ask], Awaitable[None]]) -> None:
    """Serve the admin port of a daemon, and let `use` ask it: `ask(method, path, body, **headers)`."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
            serving = await serve_admin(admin_app(daemon, known()), [bound])
            try:
                async with aiohttp.ClientSession(auto_decompress=False) as session:

                    async def ask(
                        method: str, path: str, body: object = None, *, raw: bytes | None = None, **headers: str
                    ) -> Answered:
                        sent = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
                        sent.setdefault("Authorization", f"Bearer {SECRET}")
                        sent.setdefault("Accept-Encoding", "identity")  # unless the test asks for another coding
                        if method == "POST":
                            sent.setdefault("Content-Type", "application/json")
                        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
                        url = URL(f"http://127.0.0.1:{port}{path}", encoded=True)
                        async with session.request(method, url, headers=sent, data=data) as response:
                            body = await response.read()
                            if response.headers.get("Content-Encoding") == "gzip":
                                body = gzip.decompress(body)
                            return Answered(response.status, CIMultiDict(response.headers), body.decode())

                    await use(ask)
            finally:
                await serving.close()

    asyncio.run(run())
