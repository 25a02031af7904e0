"""Sessions of aiohttp whose connections go only to addresses that a feed may reach."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp

from blockd.feeds.http.access import Access
from blockd.feeds.http.origin import Origin
from blockd.feeds.http.secret_files import basic


class CheckedSession:
    """The session of one fetch, for one request at a time; `refusal` says why the last could not be connected."""

    def __init__(self, access: Access) -> None:
        self.refusal = ""
        self._access = access
        self._origin: Origin | None = None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._open, force_close=True), trust_env=False
        )

    async def __aenter__(self) -> CheckedSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def get(self, url: Any, origin: Origin, **options: Any) -> Any:
        """Request a URL as `aiohttp.ClientSession.get` does; `origin` is the URL's."""
        self.refusal = ""
        self._origin = None
        access = self._access
        if access.proxy:
            options["proxy"] = access.proxy
            login = {"Proxy-Authorization": basic(access.proxy_login)} if access.proxy_login else {}
            if origin[0] == "https":
                options["proxy_headers"] = login  # of CONNECT; what is within the tunnel is for the server
            else:
                options["headers"] = {**options["headers"], **login}
        else:
            self._origin = origin
        return self._session.get(url, allow_redirects=False, auto_decompress=False, **options)

    def _open(self, found: tuple[Any, ...]) -> socket.socket:
        """Open a socket for an address; raises OSError if it must not be connected to."""
        family, kind, protocol, _, address = found
        if self._origin is not None and (refusal := self._access.reach.refusal(self._origin, str(address[0]))):
            self.refusal = refusal
            raise OSError(refusal)
        return socket.socket(family, kind, protocol)
