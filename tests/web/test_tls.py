from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from blockd.names import key_from_text
from blockd.orders import Action, Reason, Verdict
from blockd.web.serving import ServingLimits
from blockd.web.tls import Alert, serve_tls
from tests.web.hellos import hello_stream, in_records
from tests.web.sinkhole import LISTED, ORDER, Sinkhole

PATIENCE = 60.0  # seconds after which a test that waits for a condition has failed


def run(sinkhole: Sinkhole, bound: socket.socket, use: Callable[[], None], *, max_lifetime: float = PATIENCE) -> None:
    """Refuse TLS on `bound` while `use` talks to it from another thread."""

    async def serve() -> None:
        serving = serve_tls(sinkhole.site, [bound], limits=ServingLimits(lifetime=max_lifetime))
        try:
            await asyncio.to_thread(use)
        finally:
            await serving.close()

    asyncio.run(serve())


def refusal_reason(bound: socket.socket, name: str | None) -> str:
    """How Python's TLS client calls the alert that it gets."""
    context = ssl.create_default_context()
    context.check_hostname = False
    with socket.create_connection(bound.getsockname(), PATIENCE) as plain:
        with pytest.raises(ssl.SSLError) as raised:
            context.wrap_socket(plain, server_hostname=name)
        return str(raised.value.reason)


def answer_to(bound: socket.socket, *pieces: bytes) -> bytes:
    """Everything that the server says to `pieces`, until it closes."""
    with socket.create_connection(bound.getsockname(), PATIENCE) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = b""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                plain.sendall(piece)
            while part := plain.recv(4096):
                found += part
        return found


def test_a_listed_name_is_refused_with_access_denied_and_counted(sinkhole: Sinkhole, bound: socket.socket) -> None:
    def use() -> None:
        assert refusal_reason(bound, "Blocked.Example").endswith("ACCESS_DENIED")

    run(sinkhole, bound, use)
    assert sinkhole.hits == [(LISTED, "tls")]
    assert sinkhole.requests == ["tls"]


@pytest.mark.parametrize("name", ["other.example", None])
def test_another_name_or_none_is_refused_as_unrecognized(
    sinkhole: Sinkhole, bound: socket.socket, name: str | None
) -> None:
    def use() -> None:
        assert refusal_reason(bound, name).endswith("UNRECOGNIZED_NAME")

    run(sinkhole, bound, use)
    assert not sinkhole.hits


def test_a_hello_in_many_records_and_packets_is_read(sinkhole: Sinkhole, bound: socket.socket) -> None:
    stream = in_records(hello_stream("blocked.example"), 50)

    def use() -> None:
        pieces = [stream[start : start + 30] for start in range(0, len(stream), 30)]
        assert answer_to(bound, *pieces) == Alert.ACCESS_DENIED.record

    run(sinkhole, bound, use)
    assert len(sinkhole.hits) == 1


def test_bytes_behind_the_hello_do_not_cost_the_client_the_alert(sinkhole: Sinkhole, bound: socket.socket) -> None:
    def use() -> None:
        assert answer_to(bound, hello_stream("blocked.example"), b"early data") == Alert.ACCESS_DENIED.record

    run(sinkhole, bound, use)


def test_plain_http_is_closed_without_a_word(sinkhole: Sinkhole, bound: socket.socket) -> None:
    def use() -> None:
        assert answer_to(bound, b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n") == b""

    run(sinkhole, bound, use)


def test_a_damaged_hello_is_refused_with_decode_error(sinkhole: Sinkhole, bound: socket.socket) -> None:
    def use() -> None:
        assert answer_to(bound, b"\x16\x03\x01\0\x06\x01\0\0\x02\x03\x03") == Alert.DECODE_ERROR.record

    run(sinkhole, bound, use)


def test_a_policy_that_fails_still_refuses(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.fault = RuntimeError("of the policy")

    def use() -> None:
        assert answer_to(bound, hello_stream("blocked.example")) == Alert.INTERNAL_ERROR.record

    run(sinkhole, bound, use)


def test_a_client_that_sends_half_a_hello_is_ended(sinkhole: Sinkhole, bound: socket.socket) -> None:
    def use() -> None:
        assert answer_to(bound, hello_stream("blocked.example")[:50]) == b""

    run(sinkhole, bound, use, max_lifetime=0.05)


def test_a_name_that_is_only_monitored_is_not_counted_here(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.verdicts[key_from_text("blocked.example")] = Verdict(Reason.MONITORED, LISTED.order)

    def use() -> None:
        assert refusal_reason(bound, "blocked.example").endswith("UNRECOGNIZED_NAME")

    run(sinkhole, bound, use)
    assert not sinkhole.hits


@pytest.mark.parametrize(
    "verdict", [Verdict(Reason.NOT_READY), replace(LISTED, order=replace(ORDER, action=Action.TCP_ONLY))]
)
def test_a_name_that_nothing_stops_is_not_told_to_be_denied(
    sinkhole: Sinkhole, bound: socket.socket, verdict: Verdict
) -> None:
    sinkhole.verdicts[key_from_text("blocked.example")] = verdict

    def use() -> None:
        assert refusal_reason(bound, "blocked.example").endswith("UNRECOGNIZED_NAME")

    run(sinkhole, bound, use)
    assert not sinkhole.hits
