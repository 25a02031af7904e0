"""What the sinkhole's servers need from the daemon: the operator, the policy, and the counters."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from blockd.orders import Verdict

Protocol = typing.Literal["http", "tls"]


class VerdictOf(typing.Protocol):
    """The policy: the current verdict for a domain name's key (see `blockd.names`)."""

    def __call__(self, key: bytes, /) -> Verdict:
        """Return the verdict."""


class CountHit(typing.Protocol):
    """The counter of visits to a blocked name; it gets the verdict and the protocol, never the client."""

    def __call__(self, verdict: Verdict, protocol: Protocol, /) -> None:
        """Count one visit."""


class CountRequest(typing.Protocol):
    """The counter of all requests and handshakes, whatever they ask for."""

    def __call__(self, protocol: Protocol, /) -> None:
        """Count one request."""


@dataclass(frozen=True, slots=True)
class Site:
    """One sinkhole: `operator` blocks; `url` says who that is, and `contact` is the operator's, empty if there is none.

    `ttl` is how many seconds clients may keep the sinkhole's address.
    `hosts` are the names, in small letters, by which the block page itself is asked for, beside its addresses.
    """

    operator: str
    verdict_of: VerdictOf
    count: CountHit
    arrived: CountRequest
    url: str = ""
    contact: str = ""
    ttl: int = 60
    hosts: frozenset[str] = frozenset(("localhost",))
