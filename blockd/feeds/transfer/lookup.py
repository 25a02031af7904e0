"""Looking up the addresses of a host name: at the daemon's own upstreams, else as the machine does."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import threading
from collections.abc import Sequence
from copy import copy

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from blockd.errors import FeedRefused
from blockd.feeds.transfer.connection import ask_once
from blockd.settings import SYSTEM_UPSTREAM, SocketAddress, Upstream

SECONDS = 5.0  # for the lookup of one name in one way
MAX_UPSTREAMS = 3  # asked for one name
MAX_ADDRESSES = 8  # taken of one name
_TYPES = (dns.rdatatype.AAAA, dns.rdatatype.A)


async def addresses_of(name: str, upstreams: Sequence[Upstream] = ()) -> list[str]:
    """Return the addresses of a host name, IPv6 ones first, at most MAX_ADDRESSES; empty if none was found.

    The upstreams are asked themselves, and not the machine's resolver, which may be this blockd before it has a list.
    That one is asked if none of them answers, or all speak TLS only.
    """
    plain = [one for one in upstreams if one.transport == "udp" and one != SYSTEM_UPSTREAM][:MAX_UPSTREAMS]
    for upstream in plain:
        answers = await asyncio.gather(*(_asked(name, kind, upstream) for kind in _TYPES))
        if found := _usable([address for answer in answers for address in answer or ()]):
            return found
    try:
        async with asyncio.timeout(SECONDS):
            return _usable(await _system_lookup(name))
    except (TimeoutError, OSError):
        return []


async def _asked(name: str, kind: dns.rdatatype.RdataType, upstream: Upstream) -> list[str] | None:
    """Return the addresses in an upstream's answer, which has the aliases in between; None if there is none."""
    query = dns.message.make_query(name, kind, id=secrets.randbelow(1 << 16))
    with contextlib.suppress(FeedRefused, dns.exception.DNSException, ValueError):
        wire = await ask_once(SocketAddress(upstream.host, upstream.port), query.to_wire())
        answer = dns.message.from_wire(wire)
        if query.is_response(answer) and answer.rcode() == dns.rcode.NOERROR:
            return [data.address for found in answer.answer if found.rdtype == kind for data in found]
    return None


async def _system_lookup(name: str) -> list[str]:
    """Return the addresses that the machine's resolver knows; raises OSError.

    It runs in a thread of its own, which a resolver that is slow holds up, and no other work, nor the end of blockd.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str] | OSError] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if not found.done():
            found.set_result(error or addresses)

    def look() -> None:
        addresses: list[str] = []
        failed: OSError | None = None
        try:
            addresses = [str(one[4][0]) for one in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
        except OSError as error:
            failed = error
        except UnicodeError as error:
            failed = OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, addresses, failed)

    threading.Thread(target=look, name="lookup", daemon=True).start()
    outcome = await found
    if isinstance(outcome, OSError):
        raise copy(outcome)  # what is kept here is not raised: it would hold this frame, which holds it
    return outcome


def _usable(texts: Sequence[str]) -> list[str]:
    """Return the addresses that a server can have, in their usual form, each once."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue  # a link-local one, with its interface
        if not (address.is_multicast or address.is_unspecified or address.is_link_local):
            found[str(address)] = None
    return list(found)[:MAX_ADDRESSES]
