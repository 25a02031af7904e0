"""HTTP/2 frames out of octets (RFC 9113 section 4.1), and how many of them an upstream may send for a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

HEAD = 9  # octets
MAX_FRAME = 1 << 14  # octets of a frame's payload: the smallest limit, which is kept
DATA, SETTINGS, GOAWAY = 0, 4, 7  # types of frames, RFC 9113 section 6

BUDGET = 1024  # what the frames of a new connection may cost
MAX_BUDGET = 8192  # what may be saved up for headers that come before their answers
QUESTION_BUDGET = 16  # what each question adds: headers of 400 octets and an answer cost about 4
FRAME_COST = 1
OCTETS_FOR_ONE = 256  # of a frame other than DATA: they are unpacked or acted on
_GOAWAY_SIZE = 8  # octets: the last stream and an error code


class NotFrames(ValueError):
    """The octets are not HTTP/2 frames, or begin with another one than SETTINGS (RFC 9113 section 3.4)."""


@dataclass(frozen=True, slots=True)
class GoAway:
    """A GOAWAY frame: streams after the last one were not read."""

    last_stream: int
    code: int


class FrameReader:
    """Cuts the octets of one connection into frames; `is_greeted` once the first, SETTINGS, has come.

    GOAWAY is read here: the library would take nothing after it, though answers to earlier questions follow.
    """

    def __init__(self) -> None:
        self._received = bytearray()
        self.is_greeted = False

    def take(self, data: bytes) -> Iterator[bytes | GoAway]:
        """Yield the frames that are whole, each with its head; raises NotFrames.

        Must not be called again while the frames of an earlier call are not all read, unless the connection has ended.
        """
        received = self._received
        received += data
        at = 0
        while len(received) - at >= HEAD:
            size = int.from_bytes(received[at : at + 3])
            kind = received[at + 3]
            if size > MAX_FRAME or (not self.is_greeted and kind != SETTINGS):
                raise NotFrames
            end = at + HEAD + size
            if end > len(received):
                break
            self.is_greeted = True
            frame = bytes(received[at:end])
            if kind == GOAWAY and size >= _GOAWAY_SIZE:
                last = int.from_bytes(frame[HEAD : HEAD + 4]) & 0x7FFFFFFF
                yield GoAway(last, int.from_bytes(frame[HEAD + 4 : HEAD + 8]))
            else:
                yield frame
            at = end
        del received[:at]


class FrameBudget:
    """Bounds what the frames of an upstream cost: PING, SETTINGS, empty DATA, headers and the rest (CVE-2019-9511 ff.).

    Each question adds to it, so that a flood ends the connection within some thousand frames, however it is made.
    """

    def __init__(self) -> None:
        self._left = BUDGET

    def allow_question(self) -> None:
        """Allow the frames that answer one more question."""
        self._left = min(self._left + QUESTION_BUDGET, MAX_BUDGET)

    def allow_data(self, size: int) -> None:
        """Allow the frames that a piece of an answer came in; an answer is bounded by itself."""
        self._left = min(self._left + size // OCTETS_FOR_ONE, MAX_BUDGET)

    def takes(self, frame: bytes) -> bool:
        """Return whether a frame is still within the budget."""
        self._left -= FRAME_COST if frame[3] == DATA else FRAME_COST + (len(frame) - HEAD) // OCTETS_FOR_ONE
        return self._left >= 0
