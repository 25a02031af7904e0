"""The EDNS options that clients ask for: a server cookie, how long a connection may be idle, which server answers."""

from __future__ import annotations

import math
from collections.abc import Callable

from blockd.dns import types
from blockd.resolver.clients import packed_host
from blockd.resolver.edge.cookie_sizes import CLIENT, FRESH, KNOWN, WHOLE
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.resolver.query import Query
from blockd.settings.encrypted import MAX_SERVER_ID

MAX_KEEPALIVE = 65_535  # in units of 100 ms, RFC 7828 section 3.1


class ReplyOptions:
    """Sets the options of answers."""

    def __init__(self, cookies: ServerCookies | None, wall_clock: Callable[[], float], server_id: bytes = b"") -> None:
        """Without `cookies` none are given; `wall_clock` returns seconds since the epoch.

        `server_id` tells this server from others (NSID, RFC 5001), at most MAX_SERVER_ID octets; empty to keep it.
        """
        if len(server_id) > MAX_SERVER_ID:
            raise ValueError("the server's ID is too long")
        self._cookies = cookies
        self._nsid = types.NSID_OPTION.to_bytes(2) + len(server_id).to_bytes(2) + server_id if server_id else b""
        self._wall_clock = wall_clock

    def prepare(self, query: Query, host: str, idle: float) -> None:
        """Note the options of the answer to a question, and whether its client is known by its cookie.

        `idle` is how many seconds its connection may be idle; 0 if there is none.
        """
        cookies = self._cookies
        if query.sent_cookie and cookies is not None:
            packed = packed_host(host)
            now = math.ceil(self._wall_clock()) & 0xFFFFFFFF
            shown = query.sent_cookie
            standing = cookies.judge(shown, len(shown), packed, len(packed), now)
            query.is_known = standing >= KNOWN
            if standing != FRESH:
                head = cookies.head(now)
                signature = cookies.sign(0, shown, head, packed, len(packed))
                shown = shown[:CLIENT] + head.to_bytes(8, "little") + signature.to_bytes(8, "little")
            query.reply = types.COOKIE_OPTION.to_bytes(2) + WHOLE.to_bytes(2) + shown
        if query.keeps_alive and (units := keepalive_units(idle)):
            query.reply += types.KEEPALIVE_OPTION.to_bytes(2) + b"\0\2" + units.to_bytes(2)
        if query.asks_nsid:
            query.reply += self._nsid


def keepalive_units(idle: float) -> int:
    """Return a time in seconds as an answer says it: in units of 100 ms, no more than that and no more than fit."""
    return min(int(idle * 10), MAX_KEEPALIVE)
