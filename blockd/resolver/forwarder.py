"""Forwarding: one flight for equal questions, retried with the next upstream; failures are remembered."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from blockd.dns import types
from blockd.errors import BadMessage, UpstreamFailure
from blockd.resolver.cache import CacheKey, question_of
from blockd.resolver.options import Instruments, UpstreamOptions
from blockd.resolver.response import Response, parse
from blockd.resolver.upstream import ask
from blockd.settings import Upstream

# Different questions at once per worker: an eighth of the IDs, so that these stay unpredictable in the engine, and one
# socket each here, if the engine gives back all that it has in flight.
MAX_IN_FLIGHT = 8_192
AVOIDED = 5.0  # seconds for which an upstream that failed is asked last
FAILURE_KEPT = 1.0  # seconds, the minimum of RFC 9520 section 3.2, so that recovery is noticed at once
MAX_FAILURES = 10_000  # failures remembered

_HEADER = struct.Struct(">6H")
_OPT = struct.Struct(">BHHBBHH")


class Forwarder:
    """Asks the upstreams in their order, those that failed recently last."""

    def __init__(self, upstreams: Sequence[Upstream], options: UpstreamOptions, instruments: Instruments) -> None:
        self.upstreams = self._upstreams = tuple(upstreams)
        self.options = options
        self._timeout = options.timeout
        self._attempts = options.attempts
        self._randomness = options.randomness
        self._row = instruments.row
        self._clock = instruments.clock
        self._avoided = dict.fromkeys(self._upstreams, 0.0)
        self._heard = dict.fromkeys(self._upstreams, float("-inf"))
        self._in_flight: dict[CacheKey, asyncio.Task[Response]] = {}
        self._failures: dict[CacheKey, tuple[float, Response | UpstreamFailure]] = {}

    @property
    def preferred(self) -> Upstream | None:
        """The upstream that a new question is sent to first."""
        return self._order()[0] if self._upstreams else None

    @property
    def timeout(self) -> float:
        """Seconds for one attempt."""
        return self._timeout

    def avoid(self, upstream: Upstream) -> None:
        """Ask an upstream that has just failed last for a while."""
        self._avoided[upstream] = self._clock() + AVOIDED

    def note_heard(self, upstream: Upstream, moment: float) -> None:
        """Note that an upstream sent an answer at a moment of the clock."""
        self._heard[upstream] = max(self._heard[upstream], moment)

    async def resolve(self, key: CacheKey) -> Response:
        """Return the upstreams' response; raises UpstreamFailure with the reason of the last attempt."""
        task = self._in_flight.get(key)
        if task is None:
            if (failed := self._remembered(key)) is not None:
                return failed
            if len(self._in_flight) >= MAX_IN_FLIGHT:
                raise UpstreamFailure(types.EDE_NETWORK_ERROR, "too many questions are waiting for upstreams")
            task = asyncio.create_task(self._resolve(key))
            self._in_flight[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    async def _resolve(self, key: CacheKey) -> Response:
        question_size = len(key[0]) + 5
        last: Response | None = None
        failure = UpstreamFailure(types.EDE_NO_REACHABLE_AUTHORITY, "no upstream is known")
        for upstream in self._order():
            started = self._clock()
            query = _message(key, self._randomness(1 << 16))  # no two attempts share an ID
            try:
                message = await ask(upstream, query, question_size, self._timeout, self._randomness)
                response = parse(message, question_size)
            except UpstreamFailure as error:
                failure = error
                if error.code == types.EDE_NO_REACHABLE_AUTHORITY and self._heard[upstream] >= started:
                    continue  # it is this name that is slow, not the upstream
            except BadMessage as error:
                failure = UpstreamFailure(types.EDE_NETWORK_ERROR, f"{upstream.text} sent a malformed message: {error}")
            else:
                now = self._clock()
                self.note_heard(upstream, now)
                self._row.upstream(now - started)
                if not response.failed:
                    return response
                last = response
                continue
            self.avoid(upstream)
        if last is not None:
            return last
        raise failure

    def _order(self) -> list[Upstream]:
        """Return the upstreams for one question: as configured, recently failed ones last, for all attempts."""
        now = self._clock()
        ordered = sorted(self._upstreams, key=lambda upstream: self._avoided[upstream] > now)
        return (ordered * self._attempts)[: max(self._attempts, len(ordered))]

    def _remembered(self, key: CacheKey) -> Response | None:
        """Return or raise the remembered failure of a question (RFC 9520 section 3.2); None if there is none."""
        until, failure = self._failures.get(key, (0.0, None))
        if failure is None:
            return None
        if self._clock() >= until:
            del self._failures[key]
            return None
        if isinstance(failure, UpstreamFailure):
            raise failure.with_traceback(None)
        return failure

    def _landed(self, key: CacheKey, task: asyncio.Task[Response]) -> None:
        del self._in_flight[key]
        if task.cancelled():
            return
        outcome = task.exception() or task.result()
        if isinstance(outcome, UpstreamFailure) or (isinstance(outcome, Response) and outcome.failed):
            if len(self._failures) >= MAX_FAILURES:
                self._failures.clear()
            self._failures[key] = self._clock() + FAILURE_KEPT, outcome


def _message(key: CacheKey, identifier: int) -> bytes:
    """Return the query for an upstream: RD, EDNS with our own size, DO and CD as the client had them."""
    _, _, do, cd = key
    flags = types.RD | types.AD | (types.CD if cd else 0)  # AD requests AD in the answer, RFC 6840 section 5.7
    opt = _OPT.pack(0, types.OPT, types.MAX_UDP, 0, 0, types.EDNS_DO if do else 0, 0)
    return _HEADER.pack(identifier, flags, 1, 0, 0, 1) + question_of(key) + opt
