"""What is served, in the words of people."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence

# What people call what is served, by the names in `Bound`; what is in ALWAYS is told of although nothing serves it.
SERVED = {
    "dns_udp": "DNS over UDP",
    "dns_tcp": "DNS over TCP",
    "dot": "DNS over TLS",
    "doh": "DNS over HTTPS",
    "block_page_http": "block page over HTTP",
    "block_page_https": "TLS refused",
    "public_http": "page about orders over HTTP",
    "public_https": "page about orders over HTTPS",
    "decide": "decisions for HTTP",
    "admin": "admin",
}
ALWAYS = frozenset(("dns_udp", "dns_tcp", "block_page_http", "block_page_https", "admin"))


def kind_of(served: str) -> socket.SocketKind:
    """Return the kind of socket by which something is served, by its name in SERVED."""
    return socket.SOCK_DGRAM if served == "dns_udp" else socket.SOCK_STREAM


def served_lines(told: Mapping[str, Sequence[str]], nowhere: str) -> Iterator[tuple[str, str]]:
    """Yield what is served and on which addresses, as people read it, of the JSON values of `Bound`."""
    for name, label in SERVED.items():
        if told[name] or name in ALWAYS:
            yield label, ", ".join(told[name]) or nowhere
