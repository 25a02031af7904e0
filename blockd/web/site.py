"""What the sinkhole's servers need from the daemon: the operator, the policy, and the counter."""

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
    """The counter of visits to the sinkhole; it gets the verdict and the protocol, never the client."""

    def __call__(self, verdict: Verdict, protocol: Protocol, /) -> None:
        """Count one visit."""


@dataclass(frozen=True, slots=True)
class Site:
    """One sinkhole: `operator` blocks; `url` and `contact` are the operator's, empty if there is none."""

    operator: str
    verdict_of: VerdictOf
    count: CountHit
    url: str = ""
    contact: str = ""
