"""The limits of a stream, and what it has counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The limits of one stream; times are in seconds.

    `authorities` is a file of certificates, in PEM, that upstreams' certificates must lead to; if None, those that the
    machine trusts.
    """

    connect_time: float = 5.0  # for the connection, and again for its TLS handshake
    idle_time: float = 20.0  # without a question; servers wait as long or longer (RFC 7766 section 6.2.3)
    silence: float = 4.0  # a question waits and nothing is answered: the connection is replaced
    answer_time: float = 15.0  # a question is given up; resolvers give up a name sooner
    first_backoff: float = 0.2  # after a connection that failed; doubles
    last_backoff: float = 5.0
    tick: float = 0.25  # between two looks at these times
    max_questions: int = 4096  # of the stream, waiting and asked
    max_octets: int = 1 << 20  # of its questions that are not handed to the kernel yet
    max_asked: int = 1000  # on one connection at once: with more, the second connection is opened
    authorities: Path | None = None


@dataclass(slots=True)
class StreamCounts:
    """What a stream has counted since it was made."""

    connections: int = 0  # that could be used
    resumed: int = 0  # of these, with a TLS session of an earlier one
    failures: int = 0  # to make a connection that is used
    strays: int = 0  # messages that answer no question
    moved: int = 0  # questions sent once more, on another connection
