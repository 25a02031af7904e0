"""Streams that HTTP sessions should never be sent: frames and lines that are changed, cut and mixed."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from hpack import Encoder

from blockd.native import is_native
from blockd.transports.http.choice import EXTENSION
from blockd.transports.http.doh import answer_fields, question_of
from blockd.transports.http.http1 import Http1Session
from blockd.transports.http.limits import MAX_STREAMS
from blockd.transports.http.session import HttpSession
from tests.transports.http import raw

MAX_PIECES = 40
LINES = (
    b"POST /dns-query HTTP/1.1\r\nhost: a\r\ncontent-type: application/dns-message\r\ncontent-length: 34\r\n\r\n",
    b"GET /dns-query?dns=AAABAAABAAAAAAAAA3dlYgh0ZWxlZ3JhbQNvcmcAAAEAAQ HTTP/1.1\r\nhost: a\r\n\r\n",
    b"POST /dns-query HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n22\r\n",
    b"0\r\n\r\n",
    b"\r\n",
    raw.MESSAGE,
)


def requests(_: Path, count: int, seed: int, stop: float) -> str:
    """Feed that many streams; return how they ended."""
    made = random.Random(seed)  # noqa: S311 - a run can be repeated
    now = [0.0]
    ends: Counter[str] = Counter()
    for _number in range(count):
        if time.monotonic() >= stop:
            break
        now[0] += 1
        if is_native(EXTENSION) and made.random() < 0.8:
            from blockd.transports.http._http2 import NativeHttp2Session

            session: HttpSession = NativeHttp2Session(b"forwarded", lambda: now[0])
            octets = _frames(made)
        else:
            session = Http1Session(b"forwarded", lambda: now[0])
            octets = b"".join(made.choices(LINES, k=made.randrange(1, 8)))
        ends[_feed(session, _changed(octets, made), made)] += 1
    return ", ".join(f"{times:,} {end}" for end, times in sorted(ends.items()))


def _frames(made: random.Random) -> bytes:
    """Return the octets of a client: most frames are of streams that it has opened."""
    encoder = Encoder()
    parts = [raw.PREFACE, raw.settings(s4=made.choice((0, 10, 65535, 1 << 20)))]
    last = 1
    for _ in range(made.randrange(1, MAX_PIECES)):
        stream = made.choice((last, last, 1, 0, made.randrange(1 << 31)))
        kind = made.choice((raw.DATA, raw.HEADERS, raw.HEADERS, raw.HEADERS, made.randrange(12)))
        payload = made.choice((raw.MESSAGE, made.randbytes(made.randrange(60)), bytes(made.choice((4, 5, 8)))))
        flags = made.choice((0, raw.END_STREAM, raw.END_HEADERS, raw.END_HEADERS | raw.END_STREAM, made.randrange(256)))
        if kind == raw.HEADERS:
            fields = made.choice((raw.get_fields(), raw.post_fields(None), [("x", "y" * made.randrange(3000))]))
            payload = encoder.encode(fields, huffman=made.random() < 0.5)
            stream, flags = made.choice((last, stream)), made.choice((flags, raw.END_HEADERS, 5))
            last += 2
        parts.append(raw.frame(kind, stream, payload, flags))
    return b"".join(parts)


def _changed(octets: bytes, made: random.Random) -> bytes:
    """Return octets with some changed, or cut."""
    changed = bytearray(octets)
    for _ in range(made.choice((0, 0, 1, 3))):
        changed[made.randrange(len(changed))] = made.randrange(256)
    return bytes(changed[: made.randrange(len(changed))]) if made.random() < 0.1 else bytes(changed)


def _feed(session: HttpSession, octets: bytes, made: random.Random) -> str:
    """Feed octets in pieces, with responses between them; return how it ended."""
    waiting = []
    while octets and not session.is_over:
        size = made.choice((1, 9, 100, len(octets)))
        session.feed(memoryview(octets)[:size])
        octets = octets[size:]
        while (request := session.next_request()) is not None:
            question_of(request, b"/dns-query")
            waiting.append(request)
            made.shuffle(waiting)
            if made.random() < 0.7:
                body = made.randbytes(made.choice((0, 100, 5000)))
                session.respond(waiting.pop(), made.choice((200, 404)), answer_fields(body, False), body)
            elif made.random() < 0.2:
                session.drop(waiting.pop())
        assert session.open_requests <= MAX_STREAMS
        session.take(made.choice((1, 100, 1 << 16)))
    if made.random() < 0.3:
        session.finish()
    session.take(1 << 16)
    if session.is_flooded:
        return "flooded"
    return "ended" if session.is_over else "open"
