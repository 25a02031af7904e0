"""The last look at an answer: whether it goes out as it is, and what is counted of it."""

from __future__ import annotations

from collections.abc import Callable

from blockd.dns import types
from blockd.metrics import Row, Transport
from blockd.resolver.answers import answer as answer_to
from blockd.resolver.clients import Clients, packed_host
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import DROPPED, PASSED, TRUNCATED, kind_of
from blockd.resolver.query import Query
from blockd.resolver.query_context import Outcome

_COOKIE = types.COOKIE_OPTION.to_bytes(2)  # the first of an answer's options if it has one


class Sending:
    """Limits answers over UDP, and counts those that go out, in `row`."""

    def __init__(self, limiter: RateLimiter | None, clients: Clients, clock: Callable[[], float], row: Row) -> None:
        """`clients` says whose answers are not limited; `clock` returns seconds that never go back."""
        self._limiter = limiter
        self._clients = clients
        self._clock = clock
        self._row = row

    def sent(
        self,
        answer: bytes,
        rcode: int,
        host: str,
        transport: Transport,
        query: Query | None = None,
        kind: int | None = None,
    ) -> bytes | Outcome:
        """Return what goes out in the place of an answer to a host; `kind` is what it is counted as, if not by `rcode`.

        Without `query` the answer may have no question.
        """
        limiter = self._limiter
        kind = kind_of(rcode) if kind is None else kind
        is_known = query is not None and query.is_known
        if limiter is not None and not is_known and transport is Transport.UDP and self._clients.is_limited(host):
            packed = packed_host(host)
            has_cookie = query is not None and query.reply.startswith(_COOKIE)
            fate = limiter.judge(answer, len(answer), rcode, packed, len(packed), kind, has_cookie, self._clock())
            if fate != PASSED:
                self._row.limited(kind, fate - 1)
                if fate == DROPPED or query is None:
                    return Outcome.SILENCE
                rcode = types.NOERROR if fate == TRUNCATED else types.BADCOOKIE
                answer = answer_to(query, rcode, truncated=fate == TRUNCATED)
        self._row.answer(rcode)
        return answer
