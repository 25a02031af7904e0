"""The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1), which all processes compute alike and give up hourly.

A process needs no word from another: each derives the key of the hour from a secret that the supervisor made, or that
stands in a file. So a client resumes at another worker, and at one that was started meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256, sha512
from hmac import digest
from typing import Protocol

PERIOD = 3600  # seconds for which a key makes tickets
KEPT = 2  # keys before that still open theirs: a ticket is good for two hours at least
LIFETIME = KEPT * PERIOD  # seconds that a ticket is good for (a server may say less than RFC 8446's seven days)
SECRET = 32  # octets

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class TicketKey:
    """A key as RFC 5077 section 4 recommends one; `name` stands before the tickets that it made."""

    name: bytes  # 16 octets
    cipher: bytes = field(repr=False)  # 32 octets, for AES-256-CBC
    mac: bytes = field(repr=False)  # 32 octets, for HMAC-SHA-256

    @classmethod
    def derived(cls, secret: bytes) -> TicketKey:
        """Return the key that belongs to a secret."""
        keys = digest(secret, b"blockd session tickets: keys", sha512)
        return cls(digest(secret, b"blockd session tickets: name", sha256)[:16], keys[:32], keys[32:])


class TicketKeys(Protocol):
    """Source of the keys of now."""

    def current(self) -> tuple[TicketKey, ...]:
        """Return the keys, of which the first makes tickets and all open them; the same object until they change."""


class ForgetfulKeys:
    """Keys of one machine: what a key was made from is given up with it.

    So who comes by the memory of a process cannot open the tickets of earlier hours, nor decrypt what TLS 1.2 resumed
    by them. `clock` counts seconds since the machine was started, as all its processes do, and never goes back.
    """

    def __init__(self, secret: bytes, clock: Clock | None = None) -> None:
        self._clock = clock or _since_boot
        self._secret = secret  # of the oldest period whose key is kept
        self._period = int(self._clock() // PERIOD) - KEPT
        self._keys: tuple[TicketKey, ...] = ()

    @property
    def secret(self) -> bytes:
        """The secret of the oldest key that is kept: who makes keys of it in this hour has the same."""
        self.current()
        return self._secret

    def current(self) -> tuple[TicketKey, ...]:
        """Return the keys of now, the newest first."""
        oldest = int(self._clock() // PERIOD) - KEPT
        if oldest > self._period or not self._keys:
            while self._period < oldest:
                self._secret = _next(self._secret)
                self._period += 1
            secrets = [self._secret]
            for _ in range(KEPT):
                secrets.append(_next(secrets[-1]))
            self._keys = tuple(TicketKey.derived(secret) for secret in reversed(secrets))
        return self._keys


class SharedKeys:
    """Keys of several machines, from the secrets of a file; those of the first make tickets.

    `clock` is the time of day. Another machine's may be ahead, so the key of the coming hour opens tickets too.
    """

    def __init__(self, secrets: Sequence[bytes], clock: Clock = time.time) -> None:
        self._secrets = tuple(secrets)
        self._clock = clock
        self._period: int | None = None
        self._keys: tuple[TicketKey, ...] = ()

    def current(self) -> tuple[TicketKey, ...]:
        """Return the keys of now."""
        period = int(self._clock() // PERIOD)
        if period != self._period:
            self._period = period
            periods = (period, period + 1, *range(period - 1, period - KEPT - 1, -1))
            self._keys = tuple(
                TicketKey.derived(digest(secret, b"blockd session tickets: hour %d" % one, sha256))
                for secret in self._secrets
                for one in periods
            )
        return self._keys


def _next(secret: bytes) -> bytes:
    return digest(secret, b"blockd session tickets: next", sha256)


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
