"""How names are resolved, as lines for people; `status` and `check` show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blockd.resolver.local.defaults import DEFAULT_ZONES, REVERSE

MAX_SHOWN = 20  # zones that are named one by one; JSON has all


def resolution_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines; `told` is `Resolution.to_json`."""
    yield from _system(told["system"])
    if not told["upstreams"]:
        yield "NO UPSTREAM: names that are neither listed nor local get SERVFAIL; see `upstreams` in the config"
    for one in told["left_out"][:MAX_SHOWN]:
        yield f"  LEFT OUT: {one['why']}"
    for zone in told["forward"][:MAX_SHOWN]:
        yield f"forwarded: {zone['zone']} to {', '.join(zone['upstreams']) or 'no upstream: its names get SERVFAIL'}"
    yield from _more(len(told["forward"]), "forwarded zones")
    for zone in told["zones"][:MAX_SHOWN]:
        yield f"local zone: {zone['zone']}, {zone['records']:,} record{'s' * (zone['records'] != 1)}"
    yield from _more(len(told["zones"]), "local zones")
    if told["names"]:
        yield f"local names: {told['names']:,}, with those of their addresses"
    groups = {zone.name: zone.group for zone in DEFAULT_ZONES}
    found: dict[str | None, dict[str, int]] = {None: {}}
    for default in told["defaults"]:
        of_why = found.setdefault(default["why"], {})
        group = groups.get(default["zone"], default["zone"])
        of_why[group] = of_why.get(group, 0) + 1
    for why, counts in found.items():
        if not counts:
            continue
        shown = ", ".join(_counted(group, count, groups) for group, count in counts.items())
        yield f"answered here by default: {shown}" if why is None else f"  not answered here: {shown} ({why})"
    if told["canaries"]:
        yield "canaries: browsers and devices that ask are told that names are filtered here"
    else:
        yield "canaries: off; browsers and devices that ask are not told that names are filtered here"
    if told["discovery"]:
        yield from _discovery(told["discovery"])


def _discovery(told: Mapping[str, Any]) -> Iterator[str]:
    """Say which encrypted transports clients are told of."""
    ways = ", ".join(
        f"DNS over HTTPS at port {one['port']} ({one['path']})"
        if one["path"]
        else f"DNS over TLS at port {one['port']}"
        for one in told["transports"]
    )
    yield f"discovery: clients that ask are told of {told['name']}: {ways}"
    if told["addresses"]:
        yield f"  its addresses: {', '.join(told['addresses'])}"
    else:
        yield f"  its addresses: none; {told['name']} is resolved like every other name"


def _system(told: Mapping[str, Any] | None) -> Iterator[str]:
    """Say what `system` in the config stands for."""
    if told is None:
        return
    named = ", ".join(told["name_servers"]) or "no resolver"
    source = f" ({told['trouble']})" if told["trouble"] else ", by /etc/resolv.conf"
    yield f"system: {named}{source}"


def _counted(group: str, count: int, zones: Mapping[str, str]) -> str:
    """Return a group of zones as people read it; `zones` are the groups by zone, and a zone alone is its own group."""
    if count > 1:
        return f"{count} {group}"
    return group if group in zones else f"1 {group.replace(REVERSE, 'reverse zone')}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > MAX_SHOWN:
        yield f"  and {count - MAX_SHOWN:,} more {what} (--json)"
