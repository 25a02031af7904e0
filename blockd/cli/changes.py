"""Printing what changes from one ruleset to another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blockd.cli.output import print_line, print_text
from blockd.orders import Entry
from blockd.ruleset.counts import of_feed
from blockd.ruleset.versions.changes import PopularNames, summary
from blockd.ruleset.versions.diff import Comparison


def held_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the result of `held_changes` as lines for people."""
    for name, found in told.items():
        for kind, text in (("came", "now"), ("went", "no longer")):
            for one in found[kind]:
                what = "held back" if one["held"] else "reported"
                yield f"{what} {text}, of feed {name}: {one['entry']} ({one['reason']})"
            if found[f"{kind}_more"]:
                yield f"  and {found[f'{kind}_more']:,} more {text}"


def lines(told: Mapping[str, Any], *, is_whole: bool = False, options: str = "") -> Iterator[str]:
    """Yield the result of `changes` as lines for people, without the names if all of them were printed before.

    `options` are those of the command that show more, empty if it has none.
    """
    yield f"added: {told['added']:,}"
    if not is_whole:
        yield from _names("+", told["added_names"], told["added"], options=options)
    yield f"removed: {told['removed']:,}"
    if not is_whole:
        yield from _names("-", told["removed_names"], told["removed"], options=options)
    if told["changed"]:
        yield f"under other orders or scopes: {told['changed']:,}"
    for what, records in told["orders"].items():
        for record in records:
            of = f"{record['called']} of feed {record['feed']}"
            yield f"order {what}: {of} ({record['action']}), {of_feed(record['names'], record['type'])}"
    for kind, text in (("covered", "is covered now"), ("no_longer_covered", "is no longer covered")):
        for found in told["popular"][kind]:
            rank = f" (rank {found['rank']:,})" if told["popular"]["ranked"] else ""
            yield f"POPULAR: {found['name']}{rank} {text}, by {found['entry']}"
        more = told["popular"]["counts"][kind] - len(told["popular"][kind])
        if more:
            yield f"POPULAR: and {more:,} more, each of which {text}" + (f" ({options})" if options else "")


def stream(comparison: Comparison, popular: PopularNames, head: dict[str, Any], *, as_json: bool) -> None:
    """Print every name as it is found, then the counts: one JSON object, or lines."""
    if not as_json:
        for sign, keys in (("+", comparison.added()), ("-", comparison.removed())):
            for key in keys:
                print_line(f"{sign} {Entry(key).text}")
        for one in lines(summary(comparison, popular), is_whole=True, options="--limit, --all"):
            print_line(one)
        return
    print_text("{")
    for name, keys in (("added_names", comparison.added()), ("removed_names", comparison.removed())):
        print_text(f'"{name}": [')
        for number, key in enumerate(keys):
            print_text((", " if number else "") + json.dumps(Entry(key).text))
        print_text("], ")
    print_text(json.dumps({**head, **summary(comparison, popular)}, default=str)[1:] + "\n")


def _names(sign: str, names: Sequence[str], count: int, *, options: str) -> Iterator[str]:
    for name in names:
        yield f"  {sign} {name}"
    if count > len(names) > 0:
        yield f"  {sign} and {count - len(names):,} more" + (f" ({options})" if options else "")
