"""The host name of a request, from its target or its Host header (RFC 9110 section 7.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blockd.errors import BadName
from blockd.names import key_from_text

MAX_HOST = 1024  # characters; a name has at most 253, in Unicode and with a port some more

_PORT = re.compile(r":[0-9]{0,5}$", re.ASCII)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def host_key(target: str, hosts: Sequence[str]) -> bytes:
    """Return the key of the requested name; `target` is the request's target, `hosts` are all its Host headers.

    The authority of an absolute target outranks the header (RFC 9112 section 3.2.2). Raises BadName if there is no
    host or more than one, or if it is an address or an invalid name.
    """
    absolute = _ABSOLUTE.match(target[:MAX_HOST])
    if absolute:
        hosts = (absolute[1],)
    if len(hosts) != 1:
        raise BadName("empty" if not hosts else "more than one host")
    return key_from_text(without_port(hosts[0]))


def without_port(host: str) -> str:
    """Return the host without its port and surrounding blanks; raises BadName if it is too long."""
    if len(host) > MAX_HOST:
        raise BadName("too long")
    return _PORT.sub("", host.strip())
