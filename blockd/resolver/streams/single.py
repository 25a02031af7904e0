"""One question over a connection of its own, for who asks once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from blockd.dns import types
from blockd.errors import UpstreamFailure
from blockd.resolver.streams.listener import FailureKind
from blockd.resolver.streams.options import StreamOptions
from blockd.resolver.streams.stream import Stream
from blockd.settings import Upstream


class _Waiting:
    """Waits for what came of one question: its answer, or the kind of its failure and why.

    An exception would hold the frame that waits, by its traceback, and that frame holds this.
    """

    def __init__(self) -> None:
        self.outcome: asyncio.Future[bytes | tuple[FailureKind, str]] = asyncio.get_running_loop().create_future()

    def answered(self, _stream: Stream, message: bytes) -> None:
        if not self.outcome.done():
            self.outcome.set_result(message)

    def failed(self, _stream: Stream, _ids: Sequence[int], kind: FailureKind, why: str) -> None:
        if not self.outcome.done():
            self.outcome.set_result((kind, why))


async def ask_over_stream(
    upstream: Upstream, message: bytes, seconds: float, options: StreamOptions | None = None
) -> bytes:
    """Return the answer of an upstream to one message, over TCP, TLS or HTTPS; its question is not compared.

    Raises UpstreamFailure: 22 if nothing came in `seconds`, 23 with what failed, and its kind.
    """
    waiting = _Waiting()
    stream = Stream(upstream, waiting, options or StreamOptions())
    try:
        stream.ask(message)
        async with asyncio.timeout(seconds):
            outcome = await waiting.outcome
    except TimeoutError as error:
        raise UpstreamFailure(types.EDE_NO_REACHABLE_AUTHORITY, f"{upstream.label} did not answer") from error
    finally:
        stream.close()
    if isinstance(outcome, bytes):
        return outcome
    kind, why = outcome
    raise UpstreamFailure(types.EDE_NETWORK_ERROR, why, kind)
