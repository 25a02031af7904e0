"""The machine that a resolver runs on: its own resolvers, which replace `system` in the config, and its addresses."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path

from blockd.resolver.machine.own_addresses import is_own_address
from blockd.settings import Upstream
from blockd.settings.hosts import LOOPBACK_OF, refuse_as_server

RESOLV_CONF = Path("/etc/resolv.conf")
STUB_CONF = Path("/run/systemd/resolve/resolv.conf")  # the upstreams of systemd-resolved
MAX_SIZE = 64 * 1024  # octets of such a file
MAX_NAME_SERVERS = 16  # of it that are used, as many as `upstreams` may name
DNS_PORT = 53
STUB = Upstream("127.0.0.53", DNS_PORT)  # systemd-resolved, as resolv.conf names it


class System:
    """The machine itself. Methods only read; tests override them to simulate other machines."""

    def __init__(self, resolv_conf: Path | None = None, stub_conf: Path = STUB_CONF) -> None:
        self.resolv_conf = resolv_conf or RESOLV_CONF
        self._stub_conf = stub_conf

    def system_upstreams(self) -> list[Upstream]:
        """Return the resolvers of resolv.conf; raises OSError if it cannot be read."""
        return name_servers(self.resolv_conf)

    def stub_upstreams(self) -> list[Upstream]:
        """Return the upstreams of systemd-resolved; none if it does not run."""
        try:
            return name_servers(self._stub_conf)
        except OSError:
            return []

    def owns_address(self, host: str) -> bool:
        """Return whether an address belongs to this machine."""
        return is_own_address(host)


def name_servers(path: Path = RESOLV_CONF) -> list[Upstream]:
    """Return the name servers of a resolv.conf(5), in its order; raises OSError if it cannot be read.

    Lines without an address that a server can have are passed over, as the C library does.
    """
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a file")
    with path.open("rb") as file:
        lines = file.read(MAX_SIZE).decode(errors="replace").splitlines()
    found: dict[Upstream, None] = {}
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and len(found) < MAX_NAME_SERVERS:
            with contextlib.suppress(ValueError):
                found[Upstream(_host(words[1]), DNS_PORT)] = None
    return list(found)


def _host(text: str) -> str:
    """Return an address in its usual form, a link-local one with its zone; raises ValueError."""
    host = str(ipaddress.ip_address(text))
    host = LOOPBACK_OF.get(host, host)  # as the C library does
    refuse_as_server(host, text)
    return host
