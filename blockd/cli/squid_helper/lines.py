"""The lines of Squid's helper protocol for external ACLs, with a channel's number in front (`concurrency=`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from blockd.printable import printable

MAX_MESSAGE = 500  # letters; it is shown on a page and in a log


class MalformedLine(Exception):
    """A line that Squid sends if it is not configured as the helper expects; `channel` is empty if it has none."""

    def __init__(self, why: str, channel: str = "") -> None:
        super().__init__(why)
        self._channel = channel

    @property
    def answer(self) -> str:
        """The answer to it, on its own channel: Squid takes one without a number for that of channel 0."""
        return f"{self._channel} BH message={quoted(str(self))}".lstrip()


class Decided(NamedTuple):
    """What was decided: whether the request is to be denied, None if that could not be found out; and why.

    `status` is what a block means in HTTP, 0 if it is none of an order; `order` is what the order, or the list, is
    called.
    """

    is_denied: bool | None
    why: str = ""
    status: int = 0
    order: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One line, `CHANNEL CLIENT HOST`: whether a client, `-` if it is not known, may ask for a host, or for a URL."""

    channel: str
    client: bytes
    host: bytes

    @classmethod
    def of(cls, line: bytes) -> Question:
        """Parse a line; raises MalformedLine. Squid escapes what a token may not have, and may add others behind."""
        tokens = line.split()
        channel = tokens[0].decode("ascii") if tokens and tokens[0].isdigit() else ""
        if len(tokens) < 3 or not channel:
            why = "expected a channel, a client and a host: set concurrency=, and the format %SRC %DST"
            raise MalformedLine(why, channel)
        return cls(channel, unquote_to_bytes(tokens[1]), unquote_to_bytes(tokens[2]))

    @property
    def request(self) -> bytes:
        """The request that asks for the decision; of its answer the head is enough."""
        source = "url" if b"://" in self.host else "host"
        client = b"" if self.client == b"-" else b"X-Forwarded-For: %b\r\n" % quote(self.client, safe=".:").encode()
        target = quote(self.host, safe=".:")
        return b"HEAD /decide/url?%b=%b HTTP/1.1\r\nHost: blockd\r\n%b\r\n" % (source.encode(), target.encode(), client)


def answer_line(question: Question, decided: Decided) -> str:
    """Return the answer to a question, in which OK is a match: the request is to be denied."""
    if decided.is_denied is None:
        return f"{question.channel} BH message={quoted(decided.why)}"
    if not decided.is_denied:
        return f"{question.channel} ERR"
    line = f"{question.channel} OK message={quoted(decided.why)}"
    if decided.status:
        line += f" status={decided.status}"
    return f"{line} log={quoted(decided.order)}" if decided.order else line


def quoted(text: str) -> str:
    """Return a text as Squid takes a value: in quotation marks, within which a backslash escapes."""
    kept = printable(text[:MAX_MESSAGE]).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{kept}"'
