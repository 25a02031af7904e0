"""HTTP/2 frames as octets, made and read without the libraries that are tested."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hpack import Encoder

from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import HttpSession

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 1
END_HEADERS = 4
PADDED = 8
INITIAL_WINDOW_SIZE = 4
MAX_FRAME = 1 << 14
CALM = 11  # ENHANCE_YOUR_CALM

MESSAGE = b"\0\0\1\0\0\1\0\0\0\0\0\0\3web\x08telegram\3org\0\0\1\0\1"
SESSION_FIELDS = ((b"content-type", b"application/dns-message"), (b"cache-control", b"max-age=60"))

MakeSession = Callable[[bytes, Callable[[], float]], HttpSession]


@dataclass(frozen=True)
class Frame:
    """One frame as it was sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload)


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def frames(octets: bytes) -> list[Frame]:
    """Return the frames that octets consist of."""
    found = []
    while octets:
        size = int.from_bytes(octets[:3])
        found.append(Frame(octets[3], octets[4], int.from_bytes(octets[5:9]), octets[9 : 9 + size]))
        octets = octets[9 + size :]
    return found


def settings(**values: int) -> bytes:
    """Return SETTINGS with values by the number that a name ends in, as `s4=0`."""
    pairs = b"".join(struct.pack("!HI", int(name[1:]), value) for name, value in values.items())
    return frame(SETTINGS, payload=pairs)


class RawClient:
    """Speaks to a session by frames."""

    def __init__(self, make: MakeSession, front_header: bytes = b"") -> None:
        self.now = 1000.0
        self.session = make(front_header, lambda: self.now)
        self.encoder = Encoder()
        self.next_stream = 1

    def greet(self, **values: int) -> list[Frame]:
        """Send the preface and SETTINGS; return what the session says first."""
        self.send(PREFACE + settings(**values) + frame(SETTINGS, flags=ACK))
        return self.taken()

    def send(self, octets: bytes) -> list[HttpRequest]:
        """Send octets; return the requests that they complete."""
        self.session.feed(octets)
        found = []
        while (request := self.session.next_request()) is not None:
            found.append(request)
        assert not self.session.has_more
        return found

    def taken(self) -> list[Frame]:
        """Return all that is sent now."""
        out = b""
        while octets := self.session.take(1 << 16):
            out += octets
        return frames(out)

    def headers(self, fields: Sequence[tuple[str, str]], ends: bool = True, stream: int = 0) -> bytes:
        """Return a frame that begins a request, on the next stream."""
        block = self.encoder.encode(fields, huffman=False)
        return frame(HEADERS, stream or self.stream(), block, END_HEADERS | (END_STREAM if ends else 0))

    def stream(self) -> int:
        """Return the next stream."""
        self.next_stream += 2
        return self.next_stream - 2

    def post(self, body: bytes = MESSAGE) -> bytes:
        """Return the frames of a request."""
        stream = self.stream()
        return self.headers(post_fields(len(body)), False, stream) + frame(DATA, stream, body, END_STREAM)

    def get(self, target: str = "/dns-query?dns=AAAB") -> bytes:
        """Return the frame of a request without a body."""
        return self.headers(get_fields(target))


def get_fields(target: str = "/dns-query?dns=AAAB") -> list[tuple[str, str]]:
    return [(":method", "GET"), (":scheme", "https"), (":authority", "dns.example"), (":path", target)]


def post_fields(size: int | None) -> list[tuple[str, str]]:
    length = [] if size is None else [("content-length", str(size))]
    return [
        *((":method", "POST"), (":scheme", "https"), (":authority", "dns.example"), (":path", "/dns-query")),
        ("content-type", "application/dns-message"),
        *length,
    ]
