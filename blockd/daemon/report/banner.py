"""The lines printed once blockd has started: where it listens, what it enforces, and what to try."""

from __future__ import annotations

from pathlib import Path

from blockd import __version__
from blockd.names import MAX_LABEL, DomainName
from blockd.orders import State
from blockd.resolver import engine_name
from blockd.ruleset import Enforced
from blockd.ruleset.counts import of_feed, totals
from blockd.settings import Settings

UNLISTED = "example.com"  # RFC 2606: a name for examples


def banner(settings: Settings, config: Path, enforced: Enforced | None, busy: bool) -> list[str]:
    """Return the lines; `busy` says whether lists are being compiled."""
    listen = settings.listen
    return [
        f"blockd {__version__} ({engine_name()} engine, {settings.workers} workers), configured by {config}",
        "  DNS         " + ", ".join(address.text for address in listen.dns),
        "  block page  " + ", ".join(f"http://{address.text}" for address in listen.block_page.http),
        "  TLS refused " + ", ".join(address.text for address in listen.block_page.https),
        f"  admin       http://{listen.admin.text}  (/metrics /healthz /readyz /api/status)",
        *_enforcement(enforced, busy),
        *_questions(settings, enforced),
    ]


def _enforcement(enforced: Enforced | None, busy: bool) -> list[str]:
    if enforced is None and busy:
        return ["Enforced: nothing yet. The first lists are being compiled; a log line says when they are enforced."]
    if enforced is None:
        return ["Enforced: nothing yet. No feed has provided a list; the log lines above say why."]
    catalogue = enforced.ruleset.catalogue
    in_force = sum(state == State.IN_FORCE for state in enforced.states.states)
    header = enforced.ruleset.header
    orders = f"{in_force} of {len(catalogue.orders)} orders in force"
    lines = [f"Enforced: version {enforced.version}, {totals(header.names, header.networks)}, {orders}"]
    for feed in catalogue.feeds:
        version = f", version {feed.version}" if feed.version else ""
        lines.append(f"  feed {feed.name} ({feed.type}{version}): {of_feed(feed.names, feed.type)}, {feed.digest[:12]}")
    return lines


def _questions(settings: Settings, enforced: Enforced | None) -> list[str]:
    """Return two questions to try: one that is blocked, if there is one, and one that is not."""
    address = settings.listen.dns[0]
    dig = f"  dig @{address.host} -p {address.port}"
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
