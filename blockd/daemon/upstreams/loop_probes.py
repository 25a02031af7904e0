"""Whether questions to an upstream come back to blockd, through whatever is in between; each is asked once a minute."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from blockd.daemon.timing import Timing
from blockd.dns import types
from blockd.doctor.exchange import ask
from blockd.errors import UpstreamFailure
from blockd.resolver.machine.loop_token import SECRET, LoopToken
from blockd.resolver.resolution import Resolution
from blockd.settings import Upstream
from blockd.settings.hosts import joined

INTERVAL = 60.0  # seconds between two rounds
KEPT = 300.0  # seconds for which an upstream is left out once a question has come back: one of its ways may be another
SECONDS = 2.0  # to wait for an answer
AT_ONCE = 16
MAX_PROBED = 128  # upstreams, as many as are told apart elsewhere
MAX_LED_BACK = 32  # addresses that are told to workers

Ask = Callable[[Upstream, bytes, int, float, Callable[[int], int]], Coroutine[Any, Any, bytes]]


class LoopProbes:
    """Probes the upstreams of a resolution, those that are left out for this included."""

    def __init__(
        self, token: LoopToken, tell: Callable[[tuple[str, ...]], None], timing: Timing, exchange: Ask = ask
    ) -> None:
        """`tell` gets the addresses, with ports, of those that lead back."""
        self._token = token
        self._tell = tell
        self._timing = timing
        self._ask = exchange
        self._seen: dict[str, float] = {}  # by address: when a question came back last

    async def run(self, resolution: Callable[[], Resolution]) -> None:
        """Probe for ever."""
        while True:
            await self.look(resolution())
            await self._timing.sleep(INTERVAL)

    async def look(self, resolution: Resolution) -> None:
        """Probe each upstream once."""
        left_out = [one.upstream for one in resolution.left_out if address_of(one.upstream) in self._seen]
        probed = list(dict.fromkeys((*resolution.upstreams, *left_out)))[:MAX_PROBED]
        for first in range(0, len(probed), AT_ONCE):
            await self._probe(probed[first : first + AT_ONCE])
        now = self._timing.monotonic()
        self._seen = {address: at for address, at in self._seen.items() if now - at < KEPT}
        self._tell(tuple(sorted(self._seen))[:MAX_LED_BACK])

    async def _probe(self, upstreams: Sequence[Upstream]) -> None:
        answers = await asyncio.gather(*(self._leads_back(upstream) for upstream in upstreams))
        for upstream, leads_back in zip(upstreams, answers, strict=True):
            if leads_back:
                self._seen[address_of(upstream)] = self._timing.monotonic()

    async def _leads_back(self, upstream: Upstream) -> bool:
        question = self._token.question(os.urandom(SECRET))
        header = secrets.token_bytes(2) + types.RD.to_bytes(2) + b"\0\1\0\0\0\0\0\0"
        try:
            answer = await self._ask(upstream, header + question, len(question), SECONDS, secrets.randbelow)
        except UpstreamFailure:
            return False
        return self._token.is_shown(answer)


def address_of(upstream: Upstream) -> str:
    """Return an upstream's address, with its port."""
    return joined(upstream.host, upstream.port)
