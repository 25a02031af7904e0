"""The name that a request asks for, from its target or its Host header (RFC 9110 section 7.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blockd.errors import BadName
from blockd.names import key_from_text

MAX_HOST = 1024  # characters; a name has at most 253, in Unicode and with a port some more

_PORT = re.compile(r":[0-9]{0,5}$", re.ASCII)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def host_key(target: str, hosts: Sequence[str]) -> bytes:
    """Give the key of the name asked; `target` is the request's target, `hosts` every Host header it has.

    The authority of an absolute target outranks the header (RFC 9112 section 3.2.2). Raises BadName for no host,
    more than one, an address, or what is no name.
    """
    absolute = _ABSOLUTE.match(target[:MAX_HOST])
    if absolute:
        hosts = (absolute[1],)
    if len(hosts) != 1:
        raise BadName("empty" if not hosts else "more than one host")
    return key_from_text(without_port(hosts[0]))


def without_port(host: str) -> str:
    """Give the host without its port and without blanks round it; raises BadName where it is too long to look at."""
    if len(host) > MAX_HOST:
        raise BadName("too long")
    return _PORT.sub("", host.strip())
