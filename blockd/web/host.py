"""The host name of a request, from its target or its Host header (RFC 9110 section 7.2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from blockd.errors import BadName

MAX_HOST = 1024  # characters; a name has at most 253, in Unicode and with a port some more

_PORT = re.compile(r":[0-9]{0,5}$", re.ASCII)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def requested_host(target: str, hosts: Sequence[str]) -> str:
    """Return the requested host without its port; `target` is the request's target, `hosts` are all its Host headers.

    The authority of an absolute target outranks the header (RFC 9112 section 3.2.2). Raises BadName if there is no
    host or more than one, or if it is too long.
    """
    absolute = _ABSOLUTE.match(target[:MAX_HOST])
    if absolute:
        hosts = (absolute[1],)
    if len(hosts) != 1:
        raise BadName("empty" if not hosts else "more than one host")
    return without_port(hosts[0])


def path_and_query(target: str) -> tuple[str, str]:
    """Return the path and the query of a request's target, each empty if it has none."""
    absolute = _ABSOLUTE.match(target)
    path, _, query = (target[absolute.end() :] if absolute else target).partition("?")
    return path, query


def is_address(host: str) -> bool:
    """Return whether a host without a port is an IP address, an IPv6 one in brackets."""
    host = host.removesuffix(".")
    try:
        if host.startswith("[") and host.endswith("]"):
            ipaddress.IPv6Address(host[1:-1])
        else:
            ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def without_port(host: str) -> str:
    """Return the host without its port and surrounding blanks; raises BadName if it is too long."""
    if len(host) > MAX_HOST:
        raise BadName("too long")
    return _PORT.sub("", host.strip())
