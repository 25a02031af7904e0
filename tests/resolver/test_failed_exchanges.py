"""What a failed exchange leaves behind: no traceback, whose frames would hold all that was at hand."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

import dns.rcode
import pytest
import uvloop

from blockd.errors import FeedRefused, FeedUnreachable, GateRefused
from blockd.metrics import Transport
from blockd.resolver import QueryContext
from blockd.settings.addresses import upstream_from_text
from tests.resolver.rig import Rig, question
from tests.transports.loops import PATIENCE, until

AT_ONCE = 400  # questions: as many as may wait, almost
ROUNDS = 2
FEW = 4  # objects of what runs meanwhile


class HangingUp(asyncio.Protocol):
    """Ends each connection as soon as something comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = transport

    def data_received(self, _: bytes) -> None:
        """End it."""
        self.transport.close()


@contextlib.contextmanager
def kept_socket(kind: socket.SocketKind, *, listening: bool = False) -> Iterator[socket.socket]:
    """Have a socket on loopback that nobody reads; one for TCP that does not listen refuses connections."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if listening:
            sock.listen(1000)
        yield sock


def tracebacks() -> int:
    """Return how many tracebacks and frames are alive, garbage included as long as nobody has collected it."""
    return sum(isinstance(one, TracebackType | FrameType) for one in gc.get_objects())


OVER_UDP = "127.0.0.1:{}"
STREAMS = ("tcp://127.0.0.1:{}", "tls://127.0.0.1:{}#a.example", "https://127.0.0.1:{}#a.example")
CASES = [(OVER_UDP, "refused"), (OVER_UDP, "silent")]
CASES += [(form, how) for form in STREAMS for how in ("refused", "silent", "hanging up")]


@pytest.mark.parametrize(("form", "how"), CASES)
def test_thousands_of_failed_exchanges_leave_no_traceback(tmp_path: Path, form: str, how: str) -> None:
    is_udp, hangs_up = form == OVER_UDP, how == "hanging up"
    kind = socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM
    answers: Counter[int] = Counter()

    def note(answer: bytes | None) -> None:
        assert answer is not None
        answers[answer[3] & 15] += 1

    async def main(sock: socket.socket) -> int:
        if is_udp and how == "refused":
            sock.close()  # the kernel reports that nobody is there
        serving = await asyncio.get_running_loop().create_server(HangingUp, sock=sock) if hangs_up else None
        rig.resolver.ask_upstreams(lambda _: None)
        gc.collect()
        gc.disable()
        before = tracebacks()
        for first in range(0, AT_ONCE * ROUNDS, AT_ONCE):
            for number in range(first, first + AT_ONCE):
                begun = rig.resolver.begin(question(f"n{number}.example").to_wire(), "127.0.0.1", Transport.TCP)
                if isinstance(begun, QueryContext):
                    rig.resolver.answer_later(begun, note)
                else:
                    assert isinstance(begun, bytes)
                    note(begun)
            async with asyncio.timeout(PATIENCE):
                await until(lambda first=first: answers.total() == first + AT_ONCE)  # type: ignore[misc]
        rig.resolver.close()
        await until(lambda: not rig.resolver._waiting)
        if serving is not None:
            serving.close()
            await serving.wait_closed()
        return tracebacks() - before

    with kept_socket(kind, listening=not is_udp and how != "refused") as sock:
        upstream = upstream_from_text(form.format(sock.getsockname()[1]))
        rig = Rig(tmp_path, upstream, timeout=0.05, is_tidy=False)
        try:
            left = uvloop.run(main(sock))
        finally:
            gc.enable()
    assert answers == {dns.rcode.SERVFAIL: AT_ONCE * ROUNDS}
    assert left <= FEW


@pytest.mark.parametrize(
    "refused",
    [FeedRefused("gone", "It is gone."), GateRefused("size", "It is large."), FeedUnreachable("No way.", 3.0)],
)
def test_a_refusal_that_is_kept_has_no_traceback(refused: FeedRefused) -> None:
    try:
        try:
            raise OSError("the cause")
        except OSError as error:
            raise refused from error
    except FeedRefused as raised:
        kept = raised.kept()
    assert (type(kept), kept.reason, str(kept)) == (type(refused), refused.reason, str(refused))
    assert getattr(kept, "retry_after", None) == getattr(refused, "retry_after", None)
    assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)
