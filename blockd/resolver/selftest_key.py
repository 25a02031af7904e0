"""How a worker recognizes a self-test, and how a self-test recognizes the worker that it has reached.

Each question of a self-test ends with an EDNS option that holds a secret, made anew at each start and sent only to this
machine. Whoever knows it is served whatever its address, and is not counted. It may ask for `id.server` in class CHAOS
(RFC 4892), answered with the worker's index: the kernel chooses a worker by the ports of both sides, so the next
question from the same port reaches the same one.

A lookup by the operator asks with the same secret, as a client does or, with another option, for the upstreams' answer
before policy is applied to it. Neither is counted; what upstreams answer is kept in the cache as for any client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blockd.dns import types
from blockd.names import DomainName
from blockd.resolver.answers import answer
from blockd.resolver.query import Query

SECRET = 16  # octets, too many to guess
OPTION = types.FIRST_LOCAL_OPTION
UNJUDGED_OPTION = OPTION + 1  # asks for the upstreams' answer

_NAME = DomainName.from_text("id.server")
_HEADER = b"\0\0\0\0\0\1\0\0\0\0\0\1"  # the ID 0; no flags, so no recursion is desired; one question, one OPT record
_BARE_OPT = b"\0" + types.OPT.to_bytes(2) + types.MAX_UDP.to_bytes(2) + bytes(4) + (4 + SECRET).to_bytes(2)
_UNJUDGED = UNJUDGED_OPTION.to_bytes(2) + SECRET.to_bytes(2)
_OPT = _BARE_OPT + OPTION.to_bytes(2) + SECRET.to_bytes(2)
_IDENTITY = _NAME.wire + types.TXT.to_bytes(2) + types.CLASS_CHAOS.to_bytes(2)
_RECORD = b"\xc0\x0c" + types.TXT.to_bytes(2) + types.CLASS_CHAOS.to_bytes(2) + bytes(4)


@dataclass(frozen=True, slots=True)
class SelfTestKey:
    """What identifies the self-tests of one daemon: `secret` ends each of their questions."""

    secret: bytes

    @classmethod
    def make(cls, randomness: Callable[[int], bytes]) -> SelfTestKey:
        """Make a new one; `randomness(n)` gives n unpredictable octets."""
        return cls(randomness(SECRET))

    def is_shown(self, packet: bytes) -> bool:
        """Return whether a question is a self-test's."""
        return packet.endswith(self.secret)

    def is_unjudged(self, packet: bytes) -> bool:
        """Return whether a question that shows the secret asks for the upstreams' answer."""
        return packet[:-SECRET].endswith(_UNJUDGED)

    def lookup_question(self, key: bytes, qtype: int, *, unjudged: bool) -> bytes:
        """Return a question of a lookup for the name with `key`, with recursion desired and with the ID 0."""
        header = _HEADER[:2] + types.RD.to_bytes(2) + _HEADER[4:]
        opt = _BARE_OPT + _UNJUDGED if unjudged else _OPT
        return header + DomainName(key).wire + qtype.to_bytes(2) + types.CLASS_IN.to_bytes(2) + opt + self.secret

    def question(self, name: DomainName, qtype: int) -> bytes:
        """Return a question with the secret and with the ID 0."""
        return _HEADER + name.wire + qtype.to_bytes(2) + types.CLASS_IN.to_bytes(2) + _OPT + self.secret

    @property
    def identity_question(self) -> bytes:
        """The question for a worker's index, with the ID 0."""
        return _HEADER + _IDENTITY + _OPT + self.secret

    def worker(self, heard: bytes) -> int | None:
        """Return the index in the answer to it; None if it is another message."""
        size = types.HEADER_SIZE + len(_IDENTITY)
        if heard[6:8] != b"\0\1" or heard[types.HEADER_SIZE : size] != _IDENTITY:
            return None
        place = size + len(_RECORD) + 2  # after the length of the data
        text = heard[place + 1 : place + 1 + heard[place]]
        return int(text) if text.isdigit() else None


def asks_for_identity(query: Query) -> bool:
    """Return whether a question is the one for a worker's index."""
    return query.qclass == types.CLASS_CHAOS and query.qtype == types.TXT and query.key == _NAME.key


def identity_answer(query: Query, worker: int) -> bytes:
    """Return a worker's answer to it."""
    text = str(worker).encode()
    data = bytes((len(text),)) + text
    return answer(query, counts=(1, 0, 0), records=_RECORD + len(data).to_bytes(2) + data)


@dataclass(frozen=True, slots=True)
class SelfTestIdentity:
    """The key of the self-tests that a worker serves, and the index that it answers them with."""

    key: SelfTestKey
    worker: int
