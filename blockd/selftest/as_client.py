"""The part of a self-test that asks as an ordinary client does: rules about clients do not apply to the rest of it.

It runs only for rulesets with such rules. One rule that is wrong can take the resolver away from everybody, whatever is
asked, and no question with the self-test's secret would show that.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import DomainName, Network
from blockd.orders import Action, Verdict
from blockd.resolver.answers import BlockAnswers, Sinkhole, error
from blockd.resolver.clients import NetworkSet
from blockd.resolver.edge.proxy_header import LOCAL_HEADER
from blockd.resolver.query import Query
from blockd.ruleset import Enforced
from blockd.selftest.expectations import answer_text
from blockd.settings import SocketAddress

PATIENCE = 0.1  # seconds to wait for the answer
TRIES = 3  # of the question, which may be lost
MAX_LOOKED_AT = 1_000  # client networks, of which three addresses each are looked at

_HEADER = b"\0\7\0\0\0\1\0\0\0\0\0\0"  # no recursion desired, as the rest of the self-test asks


def everybody_is_touched(enforced: Enforced, clients: Sequence[Network]) -> str:
    """Return a sentence if rules about clients touch every network that is served, but for loopback; else empty.

    Of each network the first, the middle and the last address are looked at.
    """
    if not enforced.asks_client:
        return ""
    verdict: Verdict | None = None
    for network in clients[:MAX_LOOKED_AT]:
        if ipaddress.ip_address(network.packed).is_loopback:
            continue
        for packed in _samples(network):
            verdict = enforced.seen_from(packed).client_verdict(packed)
            if not verdict.touches:
                return ""
    if verdict is None or verdict.order is None:
        return ""
    return (
        f"rules about clients touch every network in clients.allow, whatever is asked: {verdict.action} by order "
        f"{verdict.order.name} of feed {verdict.feed}"
    )


def ask_as_client(
    enforced: Enforced,
    sinkhole: Sinkhole,
    addresses: Sequence[SocketAddress],
    key: bytes,
    proxies: Sequence[Network] = (),
) -> str:
    """Ask for a name that nobody lists, once, without the secret; return what is wrong with the answer, else empty.

    Where this machine is one of `proxies`, it asks as such, for itself. No answer within the time is no fault of the
    ruleset, and neither is an address that cannot be asked.
    """
    for address in addresses:
        host = ipaddress.ip_address(address.host)
        family = socket.AF_INET if host.version == 4 else socket.AF_INET6
        loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
        packet = _HEADER + DomainName(key).wire + types.A.to_bytes(2) + types.CLASS_IN.to_bytes(2)
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((loopback if host.is_unspecified else address.host, address.port))
            mine = ipaddress.ip_address(asking.getsockname()[0]).packed
            verdict = enforced.seen_from(mine).verdict(key, mine)
            if verdict.action in (Action.DROP, Action.CNAME, Action.LOCAL):
                return ""
            sent = LOCAL_HEADER + packet if mine in NetworkSet(proxies) else packet
            return _compared(packet, _received(asking, sent), verdict, sinkhole, enforced.version)
    return ""


def _compared(packet: bytes, received: bytes, verdict: Verdict, sinkhole: Sinkhole, version: int) -> str:
    query = Query(packet, Transport.UDP)
    refused = error(query, types.REFUSED)  # also the answer for a client that is not served
    right = refused
    if verdict.touches:
        right = BlockAnswers(sinkhole, version).give(query, verdict, sinkhole.ttl) or refused
    if not received or answer_text(received) in (answer_text(right), answer_text(refused)):
        return ""
    return f"an ordinary client was answered {answer_text(received)}, where {answer_text(right)} was expected"


def _received(asking: socket.socket, packet: bytes) -> bytes:
    """Return the answer, empty if there is none in time."""
    asking.settimeout(PATIENCE)
    for _ in range(TRIES):
        asking.send(packet)
        with contextlib.suppress(TimeoutError):
            return asking.recv(types.MAX_TCP)
    return b""


def _samples(network: Network) -> list[bytes]:
    size = len(network.packed)
    first = int.from_bytes(network.packed)
    last = first + (1 << size * 8 - network.prefix_length) - 1
    return [address.to_bytes(size) for address in sorted({first, (first + last) // 2, last})]
