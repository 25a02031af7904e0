"""What the announcement of encrypted transports needs, and what it must not contradict."""

from __future__ import annotations

from collections.abc import Iterator

from blockd.names import MAX_NAME, DomainName, key_from_text
from blockd.settings.checks.zones import RESOLVER_ARPA
from blockd.settings.model import Settings

DNS_LABEL = b"\4_dns"  # as a key has it; in front of a resolver's name (RFC 9461 section 3)


def discovery_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each contradiction."""
    said, listen = settings.discovery, settings.listen
    if not said.name:
        for key in sorted(said.model_fields_set - {"name"}):
            yield f"discovery.{key}: nothing is announced without a name; set `discovery.name`, or remove the key"
        return
    if not (listen.dot or (listen.doh and settings.certificates) or said.dot_port or said.doh_port):
        yield (
            "discovery.name: there is no encrypted transport to announce; set `listen.dot` or `listen.doh` and "
            "`certificates`, or with `discovery.dot_port` or `discovery.doh_port` the port of a front end that has one"
        )
    name = key_from_text(said.name)
    if len(name) + len(DNS_LABEL) >= MAX_NAME:
        yield f"discovery.name: _dns.{said.name} would be over {MAX_NAME} octets; choose a shorter name"
        return
    yield from _taken(settings, name + DNS_LABEL)


def _taken(settings: Settings, owner: bytes) -> Iterator[str]:
    """Check that no local zone answers for what discovery does."""
    for number, zone in enumerate(settings.local.zones):
        path, key = f"local.zones[{number}]", key_from_text(zone.zone)
        if key.startswith(RESOLVER_ARPA) or key == owner:
            yield f"{path}.zone: {zone.zone} is what `discovery` answers for; remove the zone, or `discovery.name`"
        elif any(record.owner == owner for record in zone.records):
            text = DomainName(owner).text
            yield f"{path}.records: {text} is what `discovery` answers for; remove its records, or `discovery.name`"
