"""`blockd cache show`: what every worker has cached of a name, until when, and policy's verdict on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show

SECONDS = 60.0  # for large caches on a busy machine


def run(args: argparse.Namespace) -> int:
    """Print what is cached; 1 if nothing is."""
    told = ask(args.config, "/api/v1/cache?" + urlencode({"name": args.name}), seconds=SECONDS)
    show(args.json, told, _lines(told))
    return DONE if any(worker["entries"] or worker["failures"] for worker in told["workers"]) else NO


def _lines(told: dict[str, Any]) -> Iterator[str]:
    before = "whatever is cached, it is answered otherwise" if told["blocked"] else "what is cached may be given"
    yield f"{told['name']}: {told['verdict']} ({told['why']}); {before}"
    for worker in told["workers"]:
        if not worker["entries"] and not worker["failures"]:
            yield f"worker {worker['worker']}: nothing"
            continue
        yield f"worker {worker['worker']}:"
        for entry in worker["entries"]:
            yield from _entry(entry)
        for failure in worker["failures"]:
            yield f"  {_question(failure)}: failed, not asked again before {failure['until']}: {failure['why']}"
        if worker["more"]:
            yield f"  and {worker['more']} more"
    for worker in told["silent"]:
        yield f"worker {worker}: no answer"


def _entry(entry: dict[str, Any]) -> Iterator[str]:
    kind = "negative, " if entry["negative"] else ""
    until = f"expired at {entry['expires']}" if entry["state"] == "stale" else f"{entry['ttl']} s left"
    by = f", from {entry['upstream']}" if entry["upstream"] else ""
    yield (
        f"  {_question(entry)}: {entry['rcode']}, {kind}{entry['state']}, {until}, stored at {entry['stored']}, "
        f"used {entry['uses']:,} times{by}"
    )
    for record in entry["records"]:
        yield f"    {record}"
    if entry["more_records"]:
        yield f"    and {entry['more_records']} more"


def _question(told: dict[str, Any]) -> str:
    flags = [word for word, key in (("DO", "dnssec"), ("CD", "checking_disabled")) if told[key]]
    return " ".join([told["type"], *flags])
