"""What is sent to the admin port by who means no good: each is answered by a sentence, or by the connection's end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.transports.connections import Bounds
from blockd.web import admin_serving
from blockd.web.bounds import admin_places
from blockd.web.callers.role import AccessRole
from blockd.web.serving import Serving
from tests.web.known import SECRET, TEXTS
from tests.web.test_admin import Daemon
from tests.web.test_admin_load import Ask, serve_and, until

HOST = b"Host: localhost\r\n"
TOKEN = b"Authorization: Bearer %b\r\n" % SECRET.encode()
CHANGE = b"POST /api/v1/refresh HTTP/1.1\r\n" + HOST + TOKEN + b"Content-Type: application/json\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
ASKED = b"GET /api/v1/whoami HTTP/1.1\r\n" + HOST + TOKEN
CHUNKED = b"Transfer-Encoding: chunked\r\n"
Answer = tuple[int, dict[str, str], bytes]


def answers(octets: bytes) -> list[Answer]:
    """Return the answers in what a connection was sent: statuses, headers and bodies."""
    found = []
    while octets:
        head, _, rest = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        found.append((int(first.split(" ")[1]), headers, rest[:length]))
        octets = rest[length:]
    return found


async def sent(port: int, octets: bytes, *, ends: bool) -> bytes:
    """Return all that a connection is sent for some octets until it ends; the client sends no more if `ends`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = b""
    with contextlib.suppress(ConnectionError):
        writer.write(octets)
        if ends:
            writer.write_eof()
        while part := await reader.read(1 << 16):
            found += part
    writer.close()
    return found


def told(octets: bytes, daemon: Daemon | None = None, *, ends: bool = False) -> list[Answer]:
    """Return the answers to some octets, which somebody else's question has not suffered by.

    Unless the client sends no more, it asks for health behind them, and that answer is left out.
    """
    found: list[bytes] = []

    async def use(_serving: Serving, port: int, ask: Ask) -> None:
        found.append(await sent(port, octets if ends else octets + HEALTH, ends=ends))
        assert (await ask("/healthz"))[0] == 200

    serve_and(daemon or Daemon(), use)
    all_of_them = answers(found[0])
    if not ends and all_of_them and all_of_them[-1][2].startswith(b"ok: "):
        return all_of_them[:-1]
    return all_of_them


def check(answer: Answer) -> None:
    """Check that an answer is blockd's: its name, its headers, and a sentence if it is an error."""
    status, headers, body = answer
    assert headers["server"] == "blockd"
    assert headers["x-content-type-options"] == "nosniff"
    assert "cache-control" in headers
    if status >= 400 and b'"asked"' not in body:  # that no order fits is an answer like any other
        assert headers["content-type"] == "application/problem+json"
        assert str(json.loads(body)["detail"]).endswith(".")


@pytest.mark.parametrize(
    ("octets", "statuses"),
    [
        (CHANGE + b"Content-Length: 2\r\n" + CHUNKED + b"\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n", [400]),
        (CHANGE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", [400]),
        (CHANGE + b"Content-Length: 2, 2\r\n\r\n{}", [400]),
        (CHANGE + b"Content-Length: +2\r\n\r\n{}", [400]),
        (CHANGE + b"Content-Length: 99999999999999999999999\r\n\r\n{}", [400]),
        (CHANGE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", [400]),
        (CHANGE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [400]),
        (CHANGE + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [501]),
        (CHANGE + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", [400]),
        (CHANGE + CHUNKED + b"\r\nffffffffffffffffffffff\r\n{}\r\n0\r\n\r\n", [400]),
        (CHANGE + CHUNKED + b"\r\n2\n{}\n0\n\n", [400]),
        (CHANGE + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", [415]),
        (CHANGE + b"Content-Length: 70000\r\n\r\n" + b" " * 70_000, [413]),
        (CHANGE + b"Origin: http://localhost\r\nOrigin: http://x.example\r\nContent-Length: 2\r\n\r\n{}", [403]),
        (CHANGE + b"Expect: magic\r\nContent-Length: 2\r\n\r\n{}", [417]),
        (b"GET /none HTTP/1.1\r\n" + HOST + b"Expect: magic\r\n\r\n", [417]),
        (b"GET /api/v1/whoami HTTP/1.1\r\nHost : localhost\r\n" + TOKEN + b"\r\n", [400]),
        (ASKED + b"X: a\r\n b\r\n\r\n", [400]),
        (ASKED + b"X: a\0b\r\n\r\n", [400]),
        (ASKED.replace(b"\r\n", b"\n") + b"\n", [400]),
        (b"GET /api/v1/whoami HTTP/1.1\r\n" + TOKEN + b"\r\n", [400]),
        (ASKED + b"Host: localhost\r\n\r\n", [400]),
        (b"GET http://x.example/api/v1/whoami HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [403]),
        (b"GET http://localhost/api/v1/whoami HTTP/1.1\r\nHost: x.example\r\n" + TOKEN + b"\r\n", [200]),
        (b"GET //x.example/api/v1/whoami HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [404]),
        (b"CONNECT x.example:443 HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [403]),
        (b"GET /console/%2e%2e/api/v1/whoami HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [404]),
        (b"GET /healthz/../api/v1/whoami HTTP/1.1\r\n" + HOST + b"\r\n", [401]),
        (b"GET /healthz%2f..%2fapi/v1/whoami HTTP/1.1\r\n" + HOST + b"\r\n", [401]),
        (b"GET /api/v1/orders/%0d%0aX:%20y HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [404]),
        (b"GET /api/v1/orders/%00%ff HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [404]),
        (b"GET /api/v1/orders/%zz HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [404]),
        ("GET /api/v1/orders/é HTTP/1.1\r\n".encode() + HOST + TOKEN + b"\r\n", [400]),
        (b"TRACE /api/v1/whoami HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [405]),
        (b"PROPFIND / HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n", [405]),
        (ASKED + b"Content-Length: 500000\r\n\r\n" + b"x" * 500_000, [200]),
        (ASKED.replace(TOKEN, TOKEN + TOKEN) + b"\r\n", [401]),
        (ASKED.replace(TOKEN, b"Cookie: " + b"; ".join(b"a%d=" % one for one in range(800))) + b"\r\n\r\n", [401]),
        (ASKED + b"\r\n" + ASKED + b"\r\n" + ASKED + b"\r\n", [200, 200, 200]),
        (ASKED.replace(TOKEN, b"") + b"\r\n" + ASKED + b"\r\n", [401]),  # and what is behind it is not done
        (ASKED + b"Content-Length: 5\r\n\r\nhello" + ASKED + b"\r\n", [200, 200]),
    ],
)
def test_odd_request_is_answered_with_a_sentence_and_changes_nothing(octets: bytes, statuses: list[int]) -> None:
    daemon = Daemon()
    found = told(octets, daemon)
    assert [status for status, _, _ in found] == statuses
    for answer in found:
        check(answer)
    assert daemon == Daemon()


@pytest.mark.parametrize(
    ("octets", "version"),
    [(b"GET /healthz\r\n\r\n", b"1.0"), (b"GET /healthz HTTP/2.0\r\n" + HOST + b"Connection: close\r\n\r\n", b"1.1")],
)
def test_version_that_is_not_spoken_is_answered_in_the_next_that_is(octets: bytes, version: bytes) -> None:
    async def use(_serving: Serving, port: int, _ask: Ask) -> None:
        assert (await sent(port, octets, ends=False)).startswith(b"HTTP/%b 200 OK\r\n" % version)

    serve_and(Daemon(), use)


def test_body_of_a_request_that_is_refused_is_not_taken_for_the_next() -> None:
    daemon = Daemon()
    hidden = CHANGE + b"Content-Length: 2\r\n\r\n{}"
    head = b"POST /api/v1/refresh HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    assert [one[0] for one in told(head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden, daemon)] == [401]
    assert daemon == Daemon()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [HOST, TOKEN, CHUNKED, b"Content-Length: 2\r\n", b"\r\n", b"{}", b"0\r\n\r\n", b"GET ", b"/"]
            ),
            st.binary(max_size=12),
        ),
        max_size=20,
    ),
    st.sampled_from([b"", ASKED, CHANGE]),
)
def test_any_octets_leave_no_fault(caplog: pytest.LogCaptureFixture, parts: list[bytes], begin: bytes) -> None:
    with caplog.at_level(logging.ERROR):
        caplog.clear()
        for answer in told(begin + b"".join(parts), ends=True):
            check(answer)
    assert not caplog.records


@pytest.mark.parametrize("path", ["/login", "/logout", "/api/v1/hint"])
def test_body_that_does_not_come_is_waited_for_only_so_long(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_serving, "BODY", 0.05)
    token = TEXTS[AccessRole.METRICS].encode() if path.startswith("/api") else b""

    async def use(_serving: Serving, port: int, _ask: Ask) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST %b HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: 9\r\n" % (path.encode(), HOST)
        writer.write(head + (b"Authorization: Bearer %b\r\n" % token if token else b"") + b"\r\n{")
        [answer] = answers(await reader.read())
        assert answer[0] == 408
        check(answer)
        writer.close()

    serve_and(Daemon(), use)


def test_who_sends_bodies_slowly_keeps_no_place_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_places, "READING", 0.0)

    async def use(serving: Serving, port: int, ask: Ask) -> None:
        slow = []
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
            )
            slow.append(writer)
        await until(lambda: len(serving.connections) == 5)
        assert (await asyncio.wait_for(ask("/healthz"), admin_serving.BODY / 2))[0] == 200
        for writer in slow:
            writer.close()

    serve_and(Daemon(), use, Bounds(5, 5, 5))


def test_no_answer_names_what_it_is_made_with() -> None:
    for octets in (b"\r\n", b"GET / HTTP/1.1\r\n\r\n", ASKED + b"Expect: x\r\n\r\n", b"\x16\x03\x01\0\0"):
        for _, headers, body in told(octets):
            assert not re.search(rb"aiohttp|python|traceback", repr(headers).encode() + body, re.IGNORECASE)
