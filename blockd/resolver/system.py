"""The machine's own resolvers, which replace `system` in the config."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from blockd.settings import SYSTEM_UPSTREAM, Settings, Upstream

RESOLV_CONF = Path("/etc/resolv.conf")
MAX_SIZE = 64 * 1024  # octets of that file
DNS_PORT = 53

log = logging.getLogger(__name__)


def upstreams(settings: Settings, resolv_conf: Path = RESOLV_CONF) -> tuple[Upstream, ...]:
    """Return the upstreams for all names, as `resolved` does."""
    found = resolved(settings.upstreams, settings, resolv_conf)
    if not found:
        log.warning("There is no upstream: names that are not listed will get SERVFAIL. Set `upstreams` in the config.")
    return found


def resolved(configured: Iterable[Upstream], settings: Settings, resolv_conf: Path) -> tuple[Upstream, ...]:
    """Return upstreams with `system` replaced, without addresses that blockd itself listens on, to avoid loops."""
    own = {(address.host, address.port) for address in settings.listen.dns}
    found: dict[Upstream, None] = {}
    for upstream in configured:
        for one in _system(resolv_conf) if upstream == SYSTEM_UPSTREAM else (upstream,):
            if (one.host, one.port) in own:
                log.warning("The upstream %s is blockd itself; it is left out.", one.text)
            else:
                found[one] = None
    return tuple(found)


def name_servers(path: Path = RESOLV_CONF) -> Iterator[Upstream]:
    """Return the name servers of a resolv.conf(5), in its order; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        lines = file.read(MAX_SIZE).decode(errors="replace").splitlines()
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            with contextlib.suppress(ValueError):
                yield Upstream(str(ipaddress.ip_address(words[1])), DNS_PORT)


def _system(path: Path) -> list[Upstream]:
    try:
        return list(name_servers(path))
    except OSError as error:
        log.warning("The system's upstreams are unknown: %s cannot be read: %s.", path, error.strerror)
        return []
