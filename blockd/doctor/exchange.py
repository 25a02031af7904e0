"""One exchange with one upstream, for who asks once: from a random port, over TCP if truncated, or as it says."""

from __future__ import annotations

import asyncio
from copy import copy

from blockd.dns import types
from blockd.errors import UpstreamFailure, cause_of
from blockd.resolver.forwarding.limits import MAX_STRAYS
from blockd.resolver.forwarding.questions import is_error_alone
from blockd.resolver.forwarding.source_ports import SourcePorts
from blockd.resolver.forwarding.udp_sockets import connected
from blockd.resolver.options import Randomness
from blockd.resolver.response import matches
from blockd.resolver.streams import ask_over_stream
from blockd.settings import Upstream


async def ask(upstream: Upstream, query: bytes, question_size: int, seconds: float, randomness: Randomness) -> bytes:
    """Return the answer of `upstream` to `query`, a message with one question of that size and a random ID.

    Waits at most `seconds`. Raises UpstreamFailure: 22 if nothing came, 23 if the network reports why.
    """
    try:
        async with asyncio.timeout(seconds):
            if upstream.transport == "udp":
                message = await _over_udp(upstream, query, question_size, randomness)
                if not message[2] & types.TC >> 8:
                    return message
            message = await ask_over_stream(upstream, query, seconds)
    except TimeoutError as error:
        raise UpstreamFailure(types.EDE_NO_REACHABLE_AUTHORITY, f"{upstream.label} did not answer") from error
    except OSError as error:
        raise UpstreamFailure(
            types.EDE_NETWORK_ERROR, f"{upstream.label} cannot be reached: {cause_of(error)}"
        ) from error
    if not is_answer(message, query, question_size):
        raise UpstreamFailure(types.EDE_NETWORK_ERROR, f"{upstream.label} answered another question", "malformed")
    if message[2] & types.TC >> 8:
        raise UpstreamFailure(types.EDE_NETWORK_ERROR, f"{upstream.label} truncated its answer over TCP", "malformed")
    return message


def is_answer(message: bytes, query: bytes, question_size: int) -> bool:
    """Return whether a message answers `query`, with the question or as an error without it, as forwarding takes it."""
    return matches(message, query, question_size) or is_error_alone(message, query)


async def _over_udp(upstream: Upstream, query: bytes, question_size: int, randomness: Randomness) -> bytes:
    loop = asyncio.get_running_loop()
    with connected(upstream, SourcePorts((), randomness)) as sock:
        sock.send(query)
        arrived: asyncio.Future[bytes | OSError] = loop.create_future()
        strays = 0

        def read() -> None:
            nonlocal strays
            if arrived.done():
                return
            try:
                message = sock.recv(types.MAX_TCP)
            except BlockingIOError:
                return
            except OSError as error:
                arrived.set_result(error)
                return
            if is_answer(message, query, question_size):
                arrived.set_result(message)
            elif (strays := strays + 1) > MAX_STRAYS:
                arrived.set_result(ConnectionAbortedError("too many packets that do not match the question"))

        loop.add_reader(sock, read)
        try:
            outcome = await arrived
        finally:
            loop.remove_reader(sock)
        if isinstance(outcome, OSError):
            raise copy(outcome)  # what is kept here is not raised: it would hold this frame, which holds it
        return outcome
