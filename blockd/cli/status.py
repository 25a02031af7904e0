"""`blockd status`: feeds, versions, age, workers, engine of the running daemon."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.daemon.certificates.lines import certificate_lines
from blockd.daemon.report.group_lines import group_lines
from blockd.daemon.report.resolution_lines import resolution_lines
from blockd.daemon.report.upstream_lines import upstream_lines
from blockd.feeds.budget import octets_text
from blockd.ruleset.counts import of_feed, totals
from blockd.transports.listening.served import served_lines

MAX_CONTRADICTIONS = 10  # shown; JSON has more


def run(args: argparse.Namespace) -> int:
    """Print the status; 1 if something needs the operator: an alarm that is more than information is in force."""
    told = ask(args.config, "/api/v1/status")
    show(args.json, told, _lines(told, args.config))
    return NO if any(alarm["severity"] != "info" for alarm in told["alarms"]) else DONE


def _lines(told: dict[str, Any], path: Path) -> Iterator[str]:
    yield f"blockd {told['version']}, {told['engine']} engine, since {told['since']}"
    config = told["config"]
    yield f"config: {config['path']}, read at {config['since']}, SHA-256 {config['digest'][:12]}"
    for file in config["changed"]:
        if file["since"]:
            yield f"  CHANGED: {file['path']} on disk is another since {file['since']}; `blockd reload` takes it"
        else:
            yield f"  GONE: {file['path']} is not on the disk any more; a restart and a reload need it"
    yield from _bound(told["bound"])
    yield from resolution_lines(told["resolution"])
    yield from upstream_lines(told["upstreams"])
    yield from certificate_lines(told["certificates"])
    ruleset = told["ruleset"]
    if ruleset is None:
        yield f"ruleset: none is enforced yet; names are {_unready(path)}"
    else:
        orders = ", ".join(f"{count} {state}" for state, count in ruleset["orders"].items() if count)
        entries = totals(ruleset["names"], ruleset["networks"])
        yield f"ruleset: version {ruleset['version']} of {ruleset['compiled']}, {entries}"
        yield f"  orders: {orders or 'none'}"
        yield f"  digest: {ruleset['digest']}; {_verified(ruleset['verified_age_seconds'])}"
    if told["pinned"]:
        yield from pinned_lines(told["pinned"])
    if not told["feeds"]:
        yield "feeds: none is configured (feeds: [])" + ("" if ruleset else "; nothing is blocked")
    for feed in told["feeds"]:
        age = "never fetched" if feed["age_seconds"] is None else f"{feed['age_seconds']:,.0f} s old"
        until = f", expires {feed['expires']}" if feed["expires"] else ""
        yield f"feed {feed['name']} ({feed['type']}): {of_feed(feed['names'], feed['type'])}, {age}{until}"
        if feed["phase"] != "enforced":
            yield f"  it {feed['phase_words']}"
        if feed["held"]["sentence"]:
            yield f"  {feed['held']['sentence']}"
        yield f"  {_taken(feed['limits'])}"
        if feed["ended"]:
            yield f"  {_ended(feed)}"
        if feed["stale"]:
            yield f"  STALE: {feed['stale']:,} of its orders in force were not renewed in time"
        yield from _authorities(feed)
        for order in feed["refused_orders"]:
            yield f"  ORDER REFUSED ({order['reason']}): {order['refusal']}"
        for mirror in feed["mirrors"]:
            yield f"  mirror {mirror['url']}{', asked first' if mirror['leads'] else ''}"
            if mirror["refusal"]:
                yield f"    REFUSED ({mirror['reason']}): {mirror['refusal']}"
        for note in feed["notes"]:
            yield f"  note: {note}"
        if feed["refusal"]:
            yield f"  REFUSED: {feed['refusal']}"
            if feed["next_poll"]:
                yield f"    its source is asked again at {feed['next_poll']}"
        if feed["acceptable"]:
            yield f"    to take it nevertheless, once: blockd accept {feed['name']} --reason TEXT"
    yield from group_lines(told["groups"])
    for one in told["overrides"]:
        done = "is not blocked" if one["in_force"] else "IS NOT ENFORCED; it was to hold"
        yield f"OVERRIDE: {one['name']} ({one['scope']}) {done} until {one['until']}: {one['reason']}"
    yield from _contradictions(told["contradictions"])
    for worker in told["workers"]:
        state = f"process {worker['pid']}" if worker["pid"] else "NOT RUNNING"
        yield f"worker {worker['index']}: {state}, enforces version {worker['enforcing'] or 'none'}"
    if page := told["page"]:
        state = f"process {page['pid']}" if page["pid"] else "NOT RUNNING"
        yield f"block page: {state}, tells of version {page['enforcing'] or 'none'}"
    if decide := told["decide"]:
        state = f"process {decide['pid']}" if decide["pid"] else "NOT RUNNING"
        yield f"decisions for HTTP: {state}, by version {decide['enforcing'] or 'none'}"
    yield from _self_test(told["self_test"])
    yield f"audit log: {told['audit']['number']:,} records, {told['audit']['trouble'] or 'written'}"
    yield _disk(told["disk"])
    yield _open_files(told["open_files"])
    if compiling := told["compiling"]:
        reads = f", reads feed {compiling['feed']}" if compiling["feed"] else ""
        yield f"compiling: for {compiling['seconds']:,.0f} s{reads}"
    for note in told["notes"]:
        yield f"note: {note}"
    for alarm in told["alarms"]:
        of = f" of feed {alarm['feed']}" if alarm["feed"] else ""
        yield f"ALARM {alarm['name']}{of} ({alarm['severity']}): {alarm['what']}"
        yield f"  in force: {alarm['in_force']}"
        yield f"  to do: {alarm['todo']}"


def _unready(config: Path) -> str:
    from blockd.settings import load  # which takes longer than all else here

    return "resolved without a policy" if load(config).at_first_start == "serve" else "answered with SERVFAIL"


def pinned_lines(pinned: dict[str, Any]) -> Iterator[str]:
    """Say what is pinned, and what is in force: that, with other overrides or without, or something else."""
    since = f" since {pinned['since']}" if pinned["since"] else ""
    why = f" ({pinned['reason']})" if pinned["reason"] else ""
    is_enforced = (pinned["base"] or pinned["enforced"]) == pinned["version"]
    head = "PINNED" if is_enforced else "PINNED BUT NOT ENFORCED"
    yield f"{head}: version {pinned['version']}{since}{why}; what is new waits until `blockd rollback --release`"
    if not is_enforced:
        yield f"  IN FORCE: version {pinned['enforced'] or 'none'} instead; the log says why"
    if pinned["base"] is not None:
        base = f"version {pinned['base']} with the overrides of now"
        yield f"  enforced: version {pinned['enforced']}, which is {base}"


def _verified(age: int | None) -> str:
    """Say when the file of the ruleset was last read through."""
    return "not read through since the start" if age is None else f"read through and right {age:,} s ago"


def _taken(limits: dict[str, dict[str, Any]]) -> str:
    """Say what a feed takes of what it may take."""
    disk, memory, read, fetch = (limits[key] for key in ("disk", "read_memory", "read_time", "fetch_time"))
    words = [f"takes {octets_text(disk['used'])} of {octets_text(disk['allowed'])} on the disk"]
    if read["used"] is not None:
        used = f"{read['used']:,.1f} s of {read['allowed']:,.0f} s"
        words.append(f"reading it took {used}, and {octets_text(memory['used'])} of {octets_text(memory['allowed'])}")
    if fetch["used"] is not None:
        words.append(f"the last poll took {fetch['used']:,.1f} s of {fetch['allowed']:,.0f} s")
    return "; ".join(words)


def _disk(told: dict[str, Any]) -> str:
    feeds = told["feeds"]
    taken = f"feeds take {octets_text(feeds['used'])} of the {octets_text(feeds['allowed'])} that they may"
    level = "" if told["level"] == "ample" else f", {told['level'].upper()}"
    return f"disk: {octets_text(told['free'])} of {octets_text(told['total'])} free{level}; {taken}"


def _open_files(told: dict[str, Any]) -> str:
    """Say what the files that a process may open are shared out to."""
    few = "" if told["allowed"] >= told["wanted"] else f", FEWER than {told['wanted']:,}"
    tcp, by_each = told["tcp"], " by each of TCP, TLS and HTTPS" if told["transports"] > 1 else " over TCP"
    page = "" if told["block_page"] is None else f"; the block page {told['block_page']:,}, and as many to its TLS port"
    return (
        f"open files: {told['allowed']:,} in each process{few}; a worker has at most {tcp['all']:,} connections"
        f"{by_each}, {tcp['network']:,} of a network and {tcp['address']:,} of an address, and "
        f"{told['upstream_ports']:,} ports to each upstream{page}"
    )


def _bound(told: dict[str, list[str]]) -> Iterator[str]:
    """Say where the daemon really listens, by protocol."""
    for label, where in served_lines(told, "no address"):
        yield f"listens: {label} on {where}"
    if told["left_out"]:
        yield f"  left out: {', '.join(told['left_out'])}: this machine does not have that IPv6 address"


def _authorities(feed: dict[str, Any]) -> Iterator[str]:
    for part in feed["authorities"]:
        version = f"version {part['version']}, expires {part['expires']}" if part["version"] else "nothing given yet"
        yield f"  authority {part['role']}: {part['orders']:,} orders, {version}"
        if part["ended"]:
            yield f"    {_ended(part)}"
        if part["without_room"]:
            yield f"    NO ROOM: {part['without_room']:,} of its orders are refused on names that it lists too often"
        if part["refusal"]:
            yield f"    REFUSED: {part['refusal']}"


def _contradictions(told: dict[str, Any]) -> Iterator[str]:
    """Say where authorities contradict each other."""
    for one in told["listed"][:MAX_CONTRADICTIONS]:
        yield f"CONTRADICTION: {one['sentence']}"
    if told["count"] > MAX_CONTRADICTIONS or not told["is_whole"]:
        at_least = "" if told["is_whole"] else "at least "
        yield f"  {at_least}{told['count']:,} in all (--json)"


def _ended(part: dict[str, Any]) -> str:
    done = "are out of force" if part["at_expiry"] == "stop" else "stay in force"
    return f"ENDED: its orders {done} (at_expiry)"


def _self_test(told: dict[str, Any] | None) -> Iterator[str]:
    if told is None:
        return
    came = f"FAILED: {told['failure']}" if told["failure"] else f"{told['answers']} answers are right"
    yield f"self-test: version {told['version']} at {told['at']}, {came}"
    for sentence in told["skipped"]:
        yield f"  left out: {sentence}"
