"""One question to one upstream: a try of a flight, or a probe of blockd's own."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from blockd.dns import types
from blockd.resolver.cache import CacheKey

if TYPE_CHECKING:
    from blockd.resolver.forwarding.flight import Flight
    from blockd.resolver.forwarding.link import Link
    from blockd.resolver.forwarding.udp_sockets import UdpSocket


class Doubt(Enum):
    """Why a question that was asked over UDP is asked again over TCP."""

    TRUNCATED = "the answer is truncated"
    CASE = "the answer's question has other letters in upper case"
    COOKIE = "the answer has no cookie, and those before had one"
    IMITATED = "so many messages came that do not fit, that somebody seems to guess"


class Try:
    """What was asked, of whom, when, and from where; it is open as long as its answer is listened for."""

    __slots__ = (
        "doubt",
        "flight",
        "had_bad_cookie",
        "has_cookie",
        "has_opt",
        "identifier",
        "index",
        "is_heard",
        "is_mixed",
        "is_open",
        "is_plain",
        "key",
        "link",
        "message",
        "question",
        "sent",
        "socket",
        "stream_identifier",
    )

    def __init__(self, link: Link, flight: Flight | None, index: int, key: CacheKey, question: bytes) -> None:
        """`question` is the question section as asked; `index` the upstream's place in the flight's group."""
        self.link = link
        self.flight = flight  # None for a probe
        self.index = index
        self.key = key
        self.question = question
        self.message = b""
        self.identifier = 0
        self.sent = 0.0
        self.socket: UdpSocket | None = None
        self.stream_identifier = -1  # 0 to 65535 once it is asked over a stream
        self.has_opt = False
        self.has_cookie = False
        self.had_bad_cookie = False
        self.is_mixed = False
        self.is_plain = False  # without OPT because of what was answered to the same with it
        self.doubt: Doubt | None = None
        self.is_open = False
        self.is_heard = False  # some message that answers it has come, if it did not do

    @property
    def end(self) -> int:
        """Where the question ends in the message."""
        return types.HEADER_SIZE + len(self.question)

    @property
    def is_over_stream(self) -> bool:
        """Whether it is asked over a stream, if only after an answer over UDP that did not do."""
        return self.stream_identifier >= 0

    @property
    def may_be_lost(self) -> bool:
        """Whether asking the same again may help: a datagram is lost now and then, what a stream carries is not."""
        return not self.is_over_stream or self.doubt in (Doubt.CASE, Doubt.COOKIE)
