"""Consistency of the config file: checks of more than one value.

They read the file's values as they came, and skip those that are wrong by themselves, so that every problem is reported
at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from blockd.names import Network
from blockd.settings.addresses import (
    SocketAddress,
    Upstream,
    network_from_text,
    socket_address_from_text,
    upstream_from_text,
)
from blockd.settings.feeds import FEED_TYPES, OVERRIDES
from blockd.settings.hosts import LOOPBACK_OF
from blockd.settings.listening import MAX_LISTENED, UNIX, listened
from blockd.settings.local import MAX_ZONES
from blockd.settings.model import LOOPBACK_AND_PRIVATE, MAX_FRONT_ENDS, MAX_NETWORKS
from blockd.settings.values import shown

# What surely leads back to an address that stands for all addresses of this machine.


def cross_check(data: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each contradiction between values of the file."""
    checks = (
        _clashes,
        _repeated_sockets,
        _circles,
        _repeated_upstreams,
        _repeated_feeds,
        _liftable,
        _kinds,
        _front_ends,
        _log_levels,
    )
    return [sentence for check in checks for sentence in check(data)]


def _clashes(data: Mapping[str, Any]) -> Iterator[str]:
    for (first, one), (second, other) in combinations(_listened(data), 2):
        if one.clashes_with(other):
            yield f"{second}: {other.text} is already used by {first} ({one.text}); use each address and port once"


def _repeated_sockets(data: Mapping[str, Any]) -> Iterator[str]:
    listen = data.get("listen")
    decide = listen.get("decide") if isinstance(listen, Mapping) else None
    first: dict[str, int] = {}
    for number, item in enumerate(decide[:MAX_LISTENED] if isinstance(decide, list) else []):
        if isinstance(item, str) and item.startswith(UNIX) and first.setdefault(item, number) != number:
            yield f"listen.decide[{number}]: {item} is already listed as listen.decide[{first[item]}]; keep one"


def _circles(data: Mapping[str, Any]) -> Iterator[str]:
    own: set[tuple[str | None, int]] = set()
    for path, address in _listened(data):
        if path.startswith("listen.dns"):
            own.add((address.host, address.port))
            own.add((LOOPBACK_OF.get(address.host), address.port))
    for path, value in _upstream_lists(data):
        for number, upstream in _upstreams(value):
            if upstream.transport in ("udp", "tcp") and (upstream.host, upstream.port) in own:
                yield f"{path}[{number}]: {upstream.text} is blockd itself; name another resolver"


def _repeated_upstreams(data: Mapping[str, Any]) -> Iterator[str]:
    for path, value in _upstream_lists(data):
        first: dict[Upstream, int] = {}
        for number, upstream in _upstreams(value):
            if first.setdefault(upstream, number) != number:
                yield f"{path}[{number}]: {upstream.text} is already listed as {path}[{first[upstream]}]; keep one"


def _repeated_feeds(data: Mapping[str, Any]) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, feed in _feeds(data):
        name = feed.get("name")
        if name == OVERRIDES:
            yield f"feeds[{number}].name: {OVERRIDES} is the name of blockd's own feed; choose another"
        if isinstance(name, str) and first.setdefault(name, number) != number:
            yield f"feeds[{number}].name: {shown(name)} is already the name of feeds[{first[name]}]; use each name once"


def _liftable(data: Mapping[str, Any]) -> Iterator[str]:
    """Check that feeds whose orders may be lifted are there, and are signed."""
    kinds = {str(feed.get("name")): FEED_TYPES.get(str(feed.get("type"))) for _, feed in _feeds(data)}
    for number, feed in _feeds(data):
        wanted = feed.get("may_lift")
        for place, text in enumerate(wanted if isinstance(wanted, list) else ()):
            name = text.partition("/")[0] if isinstance(text, str) else ""
            kind = kinds.get(name)
            if name and (kind is None or not kind.is_signed):
                what = "is no feed of this config" if kind is None else f"is of type {kind.type_name()}, and not signed"
                yield f"feeds[{number}].may_lift[{place}]: {shown(name)} {what}; name a signed feed, or FEED/ROLE"


def _kinds(data: Mapping[str, Any]) -> Iterator[str]:
    """Run the cross checks of each feed's kind."""
    for number, feed in _feeds(data):
        kind = FEED_TYPES.get(str(feed.get("type")))
        for check in kind.cross_checks if kind else ():
            for key, sentence in check(feed):
                yield f"feeds[{number}]{key and f'.{key}'}: {sentence}"


def _front_ends(data: Mapping[str, Any]) -> Iterator[str]:
    """Check that front ends are among those who are served."""
    clients = _section(data, "clients")
    allowed = {network for _, network in _networks(clients.get("allow", LOOPBACK_AND_PRIVATE), MAX_NETWORKS)}
    for number, network in _networks(clients.get("front_ends"), MAX_FRONT_ENDS):
        if not any(network.within(length) in allowed for length in range(network.prefix_length + 1)):
            yield (
                f"clients.front_ends[{number}]: {network.text} is in no network of clients.allow, so nobody is served "
                "there; add it to clients.allow too, or remove it"
            )


def _networks(value: object, most: int) -> Iterator[tuple[int, Network]]:
    for number, item in enumerate(value[:most] if isinstance(value, list | tuple) else ()):
        try:
            yield number, network_from_text(item)
        except ValueError:
            continue


def _listened(data: Mapping[str, Any]) -> list[tuple[str, SocketAddress]]:
    """Return every address listened on, defaults included, with its path."""
    found = []
    for path, section, model, key in listened(data):
        value = section.get(key, model.model_fields[key].default)
        # A list above the limit has its own problem; its rest is not compared, since pairs grow with the square.
        items = enumerate(value[:MAX_LISTENED]) if isinstance(value, list | tuple) else [(None, value)]
        for number, item in items:
            try:
                found.append((path if number is None else f"{path}[{number}]", socket_address_from_text(item)))
            except ValueError:
                continue
    return found


def _upstream_lists(data: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield each list of upstreams with its path: that for all names, and those of forwarded zones."""
    yield "upstreams", data.get("upstreams")
    zones = data.get("forward")
    for number, zone in enumerate(zones[:MAX_ZONES] if isinstance(zones, list) else ()):
        if isinstance(zone, Mapping):
            yield f"forward[{number}].upstreams", zone.get("upstreams")


def _upstreams(value: object) -> Iterator[tuple[int, Upstream]]:
    for number, item in enumerate(value if isinstance(value, list) else ()):
        try:
            yield number, upstream_from_text(item)
        except ValueError:
            continue


def _feeds(data: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    value = data.get("feeds")
    for number, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, Mapping):
            yield number, item


def _section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _log_levels(data: Mapping[str, Any]) -> Iterator[str]:
    log = data.get("log")
    if "log_level" in data and isinstance(log, Mapping) and "level" in log:
        yield "log_level: log.level is given too, of which this is the earlier name; keep log.level"
