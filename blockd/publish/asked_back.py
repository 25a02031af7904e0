"""What an officer is asked back before an order is staged: entries that take more than one might think.

They are allowed, unlike what `blockd.publish.lint` calls mistaken, and are staged once a person has seen what goes with
them: popular names, public suffixes of which only the name itself is covered, and networks that many share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blockd.names import DomainName, is_network_key, network_from_key
from blockd.names.network import KEY_IPV4
from blockd.orders import Action, Entry, Scope
from blockd.ruleset.gate.guard import POPULAR, PUBLIC_SUFFIX, TOP_LEVEL, Guard

MAX_SAMPLES = 5  # popular names below one, as examples
MAX_ASKED = 100  # entries of one order that are asked about one by one

_NOT_ASKED = (Action.ALLOW, Action.MONITOR)


@dataclass(frozen=True, slots=True)
class AskedBack:
    """One entry to be asked about, and what is said of it."""

    entry: Entry
    sentence: str


def asked_back(
    entries: Iterable[tuple[int, Entry]], action: Action, guard: Guard, *, hidden: bool = False
) -> Iterator[AskedBack]:
    """Yield at most MAX_ASKED entries that a person should look at, each with its place.

    If `hidden`, neither the name nor what is below it is repeated.
    """
    if action in _NOT_ASKED:
        return
    count = 0
    for number, entry in entries:
        found = _network(entry, guard) if entry.key[:1] >= bytes((KEY_IPV4,)) else _name(entry, action, guard)
        if not found:
            continue
        count += 1
        if count > MAX_ASKED:
            return
        shown, why, more = found
        yield AskedBack(entry, f"names[{number}] {why}" if hidden else f"{shown} {why}{more}")


def _name(entry: Entry, action: Action, guard: Guard) -> tuple[str, str, str] | None:
    wide = bool(entry.scope & Scope.SUBDOMAINS)
    if guard.reason(entry.key, entry.scope, action) == POPULAR:
        shown = DomainName(entry.key).text
        is_itself = guard.is_popular(entry.key)
        why = "is one of the most popular names" if is_itself else "stands above popular names"
        return shown, why, _below(entry.key, guard) if wide else ""
    if not wide and guard.reason(entry.key, Scope.BOTH, Action.SINKHOLE) in (TOP_LEVEL, PUBLIC_SUFFIX):
        why = (
            "is a public suffix, or above one, and belongs to many; only the name itself is covered, but resolvers "
            "that believe an NXDOMAIN answer take everything below it (RFC 8020)"
        )
        return DomainName(entry.key).text, why, ""
    return None


def _below(key: bytes, guard: Guard) -> str:
    """Say that everything below a name goes with it, and which popular names that is."""
    below = [other for other in guard.popular_names() if len(other) > len(key) and other.startswith(key)]
    if not below:
        return "; every name under it goes with it"
    samples = ", ".join(DomainName(other).text for other in sorted(below, key=len)[:MAX_SAMPLES])
    more = f" and {len(below) - MAX_SAMPLES:,} more" if len(below) > MAX_SAMPLES else ""
    return f"; every name under it goes with it, of the popular ones {samples}{more}"


def _network(entry: Entry, guard: Guard) -> tuple[str, str, str] | None:
    if not is_network_key(entry.key):
        return None
    reason = guard.network_reason(entry.key)
    if not reason:
        return None
    network = network_from_key(entry.key)
    addresses = 1 << (len(network.packed) * 8 - network.prefix_length)
    count = f"{addresses:,}" if addresses < 1 << 33 else f"2^{len(network.packed) * 8 - network.prefix_length}"
    more = f"; every name with one of its {count} addresses goes with it" if addresses > 1 else ""
    return entry.text, f"is held back from unsigned lists ({reason})", more or "; every name with it goes with it"
