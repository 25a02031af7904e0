"""What a resolver stands on, by its config: addresses and networks that no list may block."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path

from blockd.names import Network, translations
from blockd.resolver.machine.system import RESOLV_CONF, name_servers
from blockd.ruleset.gate.network_guard import OwnNetworks
from blockd.settings import SYSTEM_UPSTREAM, Settings


def own_networks(settings: Settings, resolv_conf: Path = RESOLV_CONF) -> OwnNetworks:
    """Return the sinkhole's addresses, the upstreams' and the machine's own resolvers', and the client networks."""
    upstreams = [*settings.upstreams, *(upstream for zone in settings.forward for upstream in zone.upstreams)]
    hosts = [upstream.host for upstream in dict.fromkeys(upstreams) if upstream != SYSTEM_UPSTREAM]
    if SYSTEM_UPSTREAM in upstreams:
        with contextlib.suppress(OSError):  # told where they are taken for forwarding
            hosts += [upstream.host for upstream in name_servers(resolv_conf)]
    sinkhole = (settings.sinkhole.ipv4.packed, settings.sinkhole.ipv6.packed)
    return OwnNetworks(
        sinkhole=tuple(_host(packed) for packed in sinkhole),
        upstreams=tuple(_host(ipaddress.ip_address(host).packed) for host in hosts),
        clients=settings.clients.allow,
        translations=translations(settings.clients.nat64_prefixes),
    )


def _host(packed: bytes) -> Network:
    return Network(packed, len(packed) * 8)
