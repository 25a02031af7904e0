"""What a start-up prints: while it is under way how far the feeds are, then where it listens and what it enforces."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from blockd import __version__
from blockd.daemon.report.feed_phase import NO_FEEDS, NO_FEEDS_BUT_A_RULESET, FeedPhase, feed_line
from blockd.daemon.report.group_lines import group_lines
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.names import MAX_LABEL, DomainName
from blockd.orders import State
from blockd.printable import printable, some_of
from blockd.resolver import engine_name
from blockd.ruleset import Enforced
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.counts import of_feed, totals
from blockd.settings import Settings
from blockd.settings.feeds import OVERRIDES
from blockd.settings.groups import summaries
from blockd.transports.binding import Bound

UNLISTED = "example.com"  # RFC 2606: a name for examples
MOST_NAMED = 3  # feeds named in a line about progress
MOST_GROUPS = 8  # with a line of their own


def banner(
    settings: Settings,
    config: Path,
    bound: Bound,
    feeds: Mapping[str, ManagedFeed],
    enforced: Enforced | None,
    pinned: int | None = None,
    base: int | None = None,
) -> list[str]:
    """Return the lines; `feeds` are those of the config, `pinned` is the version that an operator went back to.

    `base` is the version that the one in force was made from by other overrides, None if by none.
    """
    lines = [
        f"blockd {__version__} ({engine_name()} engine, {settings.workers} workers), configured by {config}",
        *_listening(bound, settings.doh.path, is_tls=settings.listen.admin_tls is not None),
        *_enforcement(feeds, enforced, pinned, base),
        *_groups(settings),
        *_questions(bound, enforced),
    ]
    return [printable(line) for line in lines]


def progress(feeds: Mapping[str, ManagedFeed], seconds: float) -> str:
    """Return one line about how far a start-up is; `seconds` is how long it takes already."""
    reading = [name for name, managed in feeds.items() if not managed.looked]
    read = f"{len(feeds) - len(reading)} of {len(feeds)} feeds are read"
    if not reading:
        return f"{read}; compiling, {seconds:.0f} s"
    return f"{read}; reading {some_of(reading, MOST_NAMED)}, {seconds:.0f} s"


def _listening(bound: Bound, doh_path: str, *, is_tls: bool) -> list[str]:
    """Return a line for each thing served; `is_tls` if the admin port is over TLS."""
    lines = [f"  DNS         {_joined(bound.dns_udp)}  (UDP and TCP)"]
    if bound.dns_udp != bound.dns_tcp:
        lines = [f"  DNS (UDP)   {_joined(bound.dns_udp)}", f"  DNS (TCP)   {_joined(bound.dns_tcp)}"]
    encrypted = (("DNS (TLS)  ", bound.dot), ("DNS (HTTPS)", _urls("https://", bound.doh, doh_path)))
    lines += [f"  {label} {_joined(where)}" for label, where in encrypted if where]
    pages = ", ".join(_urls("http://", bound.block_page_http))
    admin = _urls("https://" if is_tls else "http://", bound.admin)
    lines += [
        f"  block page  {pages or 'nowhere'}",
        f"  TLS refused {_joined(bound.block_page_https)}",
        f"  admin       {_joined(admin)}  (console, /metrics /healthz /readyz)",
    ]
    public = (*_urls("http://", bound.public_http), *_urls("https://", bound.public_https))
    others = (("orders    ", public), ("decisions ", bound.decide))
    lines += [f"  {label}  {_joined(where)}" for label, where in others if where]
    if bound.left_out:
        lines.append(f"  left out    {_joined(bound.left_out)}  (this machine does not have that IPv6 address)")
    return lines


def _urls(scheme: str, addresses: tuple[str, ...], path: str = "") -> tuple[str, ...]:
    return tuple(f"{scheme}{address}{path}" for address in addresses)


def _joined(addresses: tuple[str, ...]) -> str:
    return ", ".join(addresses) or "nowhere"


def _pinned(pinned: int, enforced: int) -> str:
    """Say what is pinned, and whether that is what is enforced but for overrides."""
    head = "PINNED" if pinned == enforced else "PINNED BUT NOT ENFORCED (the log says why)"
    return f"  {head}: version {pinned}; what is new waits until `blockd rollback --release`"


def _enforcement(
    feeds: Mapping[str, ManagedFeed], enforced: Enforced | None, pinned: int | None, base: int | None
) -> list[str]:
    is_pinned = pinned is not None and enforced is not None
    records: dict[str, FeedRecord] = {}
    if enforced is None:
        head = "Enforced: nothing yet."
        phases = {FeedPhase.of(managed, None, is_pinned=is_pinned) for managed in feeds.values()}
        if phases & {FeedPhase.READING, FeedPhase.COMPILING}:
            head += " A log line says when the first lists are enforced."
    else:
        header, catalogue = enforced.ruleset.header, enforced.ruleset.catalogue
        records = {record.name: record for record in catalogue.feeds}
        in_force = sum(state == State.IN_FORCE for state in enforced.states.states)
        orders = f"{in_force} of {len(catalogue.orders)} orders in force"
        head = f"Enforced: version {enforced.version}, {totals(header.names, header.networks)}, {orders}"
    if not feeds:
        return [head, f"  {NO_FEEDS if enforced is None else NO_FEEDS_BUT_A_RULESET}"]
    gone = [record for name, record in records.items() if name not in feeds and record.names]
    return [
        head,
        *([_pinned(pinned, base or enforced.version)] if pinned is not None and enforced is not None else ()),
        *(f"  {feed_line(managed, records.get(name), is_pinned=is_pinned)}" for name, managed in feeds.items()),
        *(
            f"  feed {record.name} ({record.type}): {of_feed(record.names, record.type)}"
            + ("" if record.name == OVERRIDES else ", no longer in the config")
            for record in gone
        ),
    ]


def _groups(settings: Settings) -> list[str]:
    told = [group.to_json() for group in summaries(settings.groups, [feed.name for feed in settings.feeds])]
    more = len(told) - MOST_GROUPS
    return [
        *(f"  {line}" for line in group_lines(told[:MOST_GROUPS])),
        *([f"  and {more} more groups, which `blockd status` names"] if more > 0 else ()),
    ]


def _questions(bound: Bound, enforced: Enforced | None) -> list[str]:
    """Return two questions to try here: one that is blocked, if there is one, and one that is not."""
    host, _, port = bound.dns_udp[0].rpartition(":")
    dig = f"  dig @{host.strip('[]')} -p {port}"
    listed = _listed(enforced.seen_from(_asking(host.strip("[]")))) if enforced else None
    return ["Try:", *([f"{dig} {listed}"] if listed else []), f"{dig} {UNLISTED}"]


def _asking(host: str) -> bytes:
    """Return the address from which a question to an address of this machine comes if it is asked here."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if not address.is_unspecified:
        return address.packed
    return ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1").packed


def _listed(enforced: Enforced) -> str | None:
    """Return a listed name whose order is in force, from the beginning of the file."""
    for number, (key, _) in enumerate(enforced.ruleset.entries()):
        if key[0] <= MAX_LABEL and enforced.verdict(key).touches:
            return DomainName(key).text
        if number > 1000:
            break
    return None
