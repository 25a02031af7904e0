"""What a resolver stands on, by its config and the machine: addresses and networks that no list may block."""

from __future__ import annotations

import ipaddress

from blockd.names import Network, translations
from blockd.resolver.machine.observation import Observation, configured_upstreams
from blockd.ruleset.gate.network_guard import OwnNetworks
from blockd.settings import SYSTEM_UPSTREAM, Settings


def own_networks(settings: Settings, observation: Observation) -> OwnNetworks:
    """Return the networks of the sinkhole, of the upstreams, `system` as it was observed among them, and of clients."""
    hosts = [upstream.host for upstream in configured_upstreams(settings) if upstream != SYSTEM_UPSTREAM]
    hosts += observation.name_servers
    sinkhole = (settings.sinkhole.ipv4.packed, settings.sinkhole.ipv6.packed)
    return OwnNetworks(
        sinkhole=tuple(_host(packed) for packed in sinkhole),
        upstreams=tuple(_host(ipaddress.ip_address(host).packed) for host in hosts),
        clients=settings.clients.allow,
        translations=translations(settings.clients.nat64_prefixes),
    )


def _host(packed: bytes) -> Network:
    return Network(packed, len(packed) * 8)
