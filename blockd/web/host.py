"""The host name of a request, from its target or its Host header (RFC 9110 section 7.2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from blockd.errors import BadName

MAX_HOST = 260  # characters: a name of 253, in Unicode no more, a dot and a port; longer ones are not looked at

MAX_U_LABELS = 36  # labels of a name in Unicode: as A-labels each takes seven octets of 253, or more

_DOT = re.compile("[.\u3002\uff0e\uff61]")  # what separates labels (UTS #46 section 2.3)
_AROUND = re.compile(r"\s*[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)  # a URL up to the end of its host
_PORT = re.compile(r":[0-9]{0,5}$", re.ASCII)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def requested_host(target: str, hosts: Sequence[str]) -> str:
    """Return the requested host without its port; `target` is the request's target, `hosts` are all its Host headers.

    The authority of an absolute target outranks the header (RFC 9112 section 3.2.2). Raises BadName if there is no
    host or more than one, or if it is too long.
    """
    absolute = _ABSOLUTE.match(target[: MAX_HOST + len("https://") + 1])
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


def limited(text: str) -> str:
    """Return a text that may be a name in Unicode, of a URL the host; raises BadName if it is too long for one.

    Mapping and encoding are what takes long about a name, and are done only for what can become one. ASCII is returned
    as it is.
    """
    if text.isascii():
        return text
    if found := _AROUND.match(text):
        text = found[1]
    if len(text) > MAX_HOST or len(_DOT.findall(text)) > MAX_U_LABELS:
        raise BadName("too long")
    return text


def without_port(host: str) -> str:
    """Return the host without its port and surrounding blanks; raises BadName if it is too long."""
    if len(host) > MAX_HOST:
        raise BadName("too long")
    return _PORT.sub("", host.strip())
