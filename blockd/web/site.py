"""What the sinkhole's servers need from the daemon: who blocks, the policy, and the counter."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from blockd.orders import Verdict

Protocol = typing.Literal["http", "tls"]


class VerdictOf(typing.Protocol):
    """The policy: the verdict for a domain name's key (see `blockd.names`), now."""

    def __call__(self, key: bytes, /) -> Verdict:
        """Give the verdict."""


class CountHit(typing.Protocol):
    """The counter of visits to the sinkhole; it is told the verdict and the protocol, never who came."""

    def __call__(self, verdict: Verdict, protocol: Protocol, /) -> None:
        """Count one visit."""


@dataclass(frozen=True, slots=True)
class Site:
    """One sinkhole: `operator` blocks, `url` and `contact` are the operator's, empty where there is none."""

    operator: str
    verdict_of: VerdictOf
    count: CountHit
    url: str = ""
    contact: str = ""
