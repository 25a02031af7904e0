"""What a start-up prints: while it is under way how far the feeds are, then where it listens and what it enforces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from blockd import __version__
from blockd.daemon.report.feed_phase import NO_FEEDS, NO_FEEDS_BUT_A_RULESET, FeedPhase, feed_line
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.names import MAX_LABEL, DomainName
from blockd.orders import State
from blockd.printable import printable
from blockd.resolver import engine_name
from blockd.ruleset import Enforced
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.counts import of_feed, totals
from blockd.settings import Settings
from blockd.transports.binding import Bound

UNLISTED = "example.com"  # RFC 2606: a name for examples
MOST_NAMED = 3  # feeds named in a line about progress


def banner(
    settings: Settings,
    config: Path,
    bound: Bound,
    feeds: Mapping[str, ManagedFeed],
    enforced: Enforced | None,
    *,
    is_pinned: bool = False,
) -> list[str]:
    """Return the lines; `feeds` are those of the config, and `is_pinned` is whether the version in force is pinned."""
    lines = [
        f"blockd {__version__} ({engine_name()} engine, {settings.workers} workers), configured by {config}",
        *_listening(bound),
        *_enforcement(feeds, enforced, is_pinned=is_pinned),
        *_questions(bound, enforced),
    ]
    return [printable(line) for line in lines]


def progress(feeds: Mapping[str, ManagedFeed], seconds: float) -> str:
    """Return one line about how far a start-up is; `seconds` is how long it takes already."""
    reading = [name for name, managed in feeds.items() if not managed.looked]
    read = f"{len(feeds) - len(reading)} of {len(feeds)} feeds are read"
    if not reading:
        return f"{read}; compiling, {seconds:.0f} s"
    more = f" and {len(reading) - MOST_NAMED} more" if len(reading) > MOST_NAMED else ""
    return f"{read}; reading {', '.join(reading[:MOST_NAMED])}{more}, {seconds:.0f} s"


def _listening(bound: Bound) -> list[str]:
    lines = [f"  DNS         {_joined(bound.dns_udp)}  (UDP and TCP)"]
    if bound.dns_udp != bound.dns_tcp:
        lines = [f"  DNS (UDP)   {_joined(bound.dns_udp)}", f"  DNS (TCP)   {_joined(bound.dns_tcp)}"]
    pages = ", ".join(f"http://{address}" for address in bound.block_page_http)
    lines += [
        f"  block page  {pages or 'nowhere'}",
        f"  TLS refused {_joined(bound.block_page_https)}",
        f"  admin       http://{_joined(bound.admin)}  (/metrics /healthz /readyz /api/status)",
    ]
    if bound.left_out:
        lines.append(f"  left out    {_joined(bound.left_out)}  (this machine does not have that IPv6 address)")
    return lines


def _joined(addresses: tuple[str, ...]) -> str:
    return ", ".join(addresses) or "nowhere"


def _enforcement(feeds: Mapping[str, ManagedFeed], enforced: Enforced | None, *, is_pinned: bool) -> list[str]:
    records: dict[str, FeedRecord] = {}
    if enforced is None:
        head = "Enforced: nothing yet."
        phases = [FeedPhase.of(managed, None, is_pinned=is_pinned) for managed in feeds.values()]
        if FeedPhase.READING in phases or FeedPhase.COMPILING in phases:
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
        *(f"  {feed_line(managed, records.get(name), is_pinned=is_pinned)}" for name, managed in feeds.items()),
        *(
            f"  feed {record.name} ({record.type}): {of_feed(record.names, record.type)}, no longer in the config"
            for record in gone
        ),
    ]


def _questions(bound: Bound, enforced: Enforced | None) -> list[str]:
    """Return two questions to try: one that is blocked, if there is one, and one that is not."""
    host, _, port = bound.dns_udp[0].rpartition(":")
    dig = f"  dig @{host.strip('[]')} -p {port}"
    listed = _listed(enforced) if enforced else None
    return ["Try:", *([f"{dig} {listed}"] if listed else []), f"{dig} {UNLISTED}"]


def _listed(enforced: Enforced) -> str | None:
    """Return a listed name whose order is in force, from the beginning of the file."""
    for number, (key, _) in enumerate(enforced.ruleset.entries()):
        if key[0] <= MAX_LABEL and enforced.verdict(key).touches:
            return DomainName(key).text
        if number > 1000:
            break
    return None
