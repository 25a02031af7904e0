"""`blockd versions`: the rulesets kept, from the state folder, so that no daemon need run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.output import show
from blockd.daemon.answers.versions import VersionsKept
from blockd.ruleset import Versions
from blockd.ruleset.counts import of_feed, totals
from blockd.ruleset.versions.keeping import Retention
from blockd.settings import load
from blockd.times import time_from_text


def run(args: argparse.Namespace) -> int:
    """Print the versions, the oldest first; 1 if none is kept."""
    settings, now = load(args.config), time.time()
    versions, retention = Versions(settings.state_dir / "rulesets"), Retention.of(settings)
    told = VersionsKept.read(versions, retention, now).to_json()
    show(args.json, told, _lines(told["versions"], retention, now))
    return DONE if told["versions"] else NO


def _lines(told: list[dict[str, Any]], retention: Retention, now: float) -> Iterator[str]:
    if not told:
        yield "No version is kept yet; `blockd run` makes the first one."
    for version in told:
        yield from _version(version, now)
    if told:
        size = sum(version["size"] for version in told)
        yield f"{_size(size)} of at most {_size(retention.max_size)} (versions.max_size)"


def _version(told: dict[str, Any], now: float) -> Iterator[str]:
    marks = [word for word, is_so in (("in force", told["current"]), ("pinned", told["pinned"])) if is_so]
    title = f"version {told['version']}" + (f" ({', '.join(marks)})" if marks else "")
    if "damaged" in told:
        yield f"{title}: {told['damaged']}"
        yield f"  {_size(told['size'])}; {_kept(told)}"
        return
    yield f"{title}: {_counts(told)}, compiled {told['compiled']}"
    yield f"  {_size(told['size'])}, {_age(now - time_from_text(told['compiled']))}; {_kept(told)}"
    if told["record"] != "kept":
        yield f"  its record is {told['record']}: when it was enforced and where it came from is not known"
    if told["base"] is not None:
        yield f"  version {told['base']} with other overrides on top, made while that was pinned"
    if difference := told["difference"]:
        moved = f" ~{difference['changed']:,}" if difference["changed"] else ""
        yield f"  against version {difference['against']}: +{difference['added']:,} -{difference['removed']:,}{moved}"
    for period in told["periods"]:
        until = f"until {period['until']}" if period["until"] else "until now"
        back = ", by a rollback" if period["rollback"] else ""
        why = f": {period['reason']}" if period["reason"] else ""
        yield f"  enforced from {period['since']} {until}{back}{why}"
    for feed in told["feeds"]:
        yield from _feed(feed, told)


def _kept(told: dict[str, Any]) -> str:
    return f"kept: {told['kept']}" if told["kept"] else "not kept any more: deleted when the next version comes"


def _size(octets: int) -> str:
    return f"{octets / 1e9:,.1f} GB" if octets >= 1e9 else f"{octets / 1e6:,.1f} MB"


def _age(seconds: float) -> str:
    """Return an age in words, in the largest unit of which there are two."""
    for width, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * width:
            return f"{seconds / width:.0f} {word} old"
    return f"{max(seconds, 0):.0f} seconds old"


def _counts(told: dict[str, Any]) -> str:
    return f"{totals(told['names'], told['networks'])}, {told['orders']:,} orders"


def _feed(feed: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
    own = f", version {feed['version']}" if feed["version"] else ""
    came = f", from {feed['source']}" if feed["source"] else ""
    made = f" of {feed['source_time']}" if feed["source_time"] else ""
    entries = of_feed(feed["names"], feed["type"])
    yield f"  feed {feed['name']} ({feed['type']}{own}): {entries}{came}{made}, {feed['digest'][:12]}"
    for what, reports in (("rejected", told["rejects"]), ("held back", told["held"])):
        reasons = reports.get(feed["name"], {}).get("reasons", {})
        if isinstance(reasons, dict) and reasons:
            counted = ", ".join(f"{reason} {found['count']:,}" for reason, found in reasons.items())
            yield f"    {what}: {counted}"
