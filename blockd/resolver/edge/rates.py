"""Numbers of the rate limit: how many answers one network gets, and what becomes of an answer too many."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.dns import types

# What becomes of an answer.
PASSED = 0
DROPPED = 1
TRUNCATED = 2  # it goes out empty, so that a client whose address is its own asks over TCP
BADCOOKIE = 3  # it goes out as an error that has a server cookie, with which the client asks again (RFC 7873 5.2.3)

# What is counted, each with a rate of its own.
RESPONSES = 0  # by network, name and type; negative ones by the zone that they are from
ERRORS = 1  # by network
STRANGERS = 2  # refusals to those who are not served, by network

SEED = 16  # octets


def kind_of(rcode: int) -> int:
    """Return what the answer to a client that is served is counted as."""
    return RESPONSES if rcode in (types.NOERROR, types.NXDOMAIN) else ERRORS


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many answers a second one network gets from a worker, 0 for no limit.

    Of those that are limited, one in `slip` is not dropped, 0 for none.
    """

    responses: int = 0
    errors: int = 0
    strangers: int = 0
    slip: int = 2
