"""What the sinkhole's servers need from the daemon: the operator, the policy, and the counters."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from blockd.orders import Verdict

Protocol = typing.Literal["http", "tls", "public"]


class VerdictOf(typing.Protocol):
    """The policy: the current verdict for a domain name's key (see `blockd.names`), as it applies to a client."""

    def __call__(self, key: bytes, client: bytes, /) -> Verdict:
        """Return the verdict; `client` is its address in network order, empty if unknown, and is not kept."""


class CountHit(typing.Protocol):
    """The counter of visits to a blocked name; it gets the verdict and the protocol, never the client."""

    def __call__(self, verdict: Verdict, protocol: Protocol, /) -> None:
        """Count one visit."""


class CountRequest(typing.Protocol):
    """The counter of all requests and handshakes, whatever they ask for."""

    def __call__(self, protocol: Protocol, /) -> None:
        """Count one request."""


class OrdersNamed(typing.Protocol):
    """The orders in the ruleset that may be told of, by what they are called (`blockd.orders.key`)."""

    def __call__(self, asked: str, /) -> list[Verdict] | None:
        """Return the orders that a text may name, each with its state; None if no ruleset is enforced yet."""


class WhereItLeads(typing.Protocol):
    """What the names and addresses that a name leads to are judged as, for a client that may ask for it."""

    async def __call__(self, key: bytes, client: bytes, /) -> Verdict | None:
        """Return the verdict that stops the name with `key`, NOT_LISTED if none does; None if that is not known.

        `client` is the address of who wants to know, in network order; it is not kept.
        """


def no_orders(_asked: str) -> list[Verdict]:
    """Return no order."""
    return []


@dataclass(frozen=True, slots=True)
class Site:
    """One sinkhole: `operator` blocks; `url` says who that is, and `contact` is the operator's, empty if there is none.

    `ttl` is how many seconds clients may keep the sinkhole's address. Without `where_it_leads` names are judged alone.
    `hosts` are the names, in small letters, by which the block page itself is asked for, beside its addresses.
    `incidents` is the address below which anybody finds the pages of orders (`blockd.orders.incident`), empty if none.
    """

    operator: str
    verdict_of: VerdictOf
    count: CountHit
    arrived: CountRequest
    url: str = ""
    contact: str = ""
    ttl: int = 60
    hosts: frozenset[str] = frozenset(("localhost",))
    where_it_leads: WhereItLeads | None = None
    orders_named: OrdersNamed = no_orders
    incidents: str = ""
