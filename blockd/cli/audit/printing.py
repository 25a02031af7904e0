"""`blockd audit`: the records of the audit log, one line each."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from blockd.audit.chain import Record
from blockd.audit.database import Database, key_of
from blockd.audit.log import DATABASE
from blockd.cli import DONE, NO
from blockd.cli.asking.place import state_folder
from blockd.cli.output import print_line, show
from blockd.errors import AuditError, CommandError
from blockd.orders import OrderKey, OrderNames
from blockd.orders.key import parse_asked, spelled
from blockd.ruleset.counts import totals
from blockd.times import time_from_text


def run(args: argparse.Namespace) -> int:
    """Print the records that fit, as lines of JSON with --json; 1 if there is none, or several orders fit --order."""
    database = Database.read(state_folder(args.config) / DATABASE)
    count = 0
    try:
        asked = parse_asked(args.order) if args.order else None
        orders = [] if asked is None else [key for key in database.orders(asked.id) if asked.fits(key)]
        if args.feed:
            orders = [key for key in orders if key.feed == args.feed]
        if args.order and len(orders) != 1:
            return _several(args, orders)
        found = database.find(
            kinds=args.kind or (),
            feed=args.feed,
            name="" if asked is None else asked.id,
            since=0.0 if args.since is None else moment(args.since),
            until=None if args.until is None else moment(args.until),
        )
        for record in found:
            if orders and key_of(record) != orders[0]:
                continue
            count += 1
            print_line(record.octets.decode("ascii") if args.json else _line(record))
    except (sqlite3.Error, UnicodeError, KeyError, TypeError) as error:
        raise AuditError(f"the audit log is damaged: {error}; `blockd audit verify` says where.") from error
    finally:
        database.close()
    return DONE if count else NO


def _several(args: argparse.Namespace, orders: Sequence[OrderKey]) -> int:
    """Print the orders that fit, each as it is told from the others; none may do so."""
    names = OrderNames(orders)
    listed = [{"called": names.shown(key), **key._asdict()} for key in orders]
    if listed:
        told = [f"{len(listed)} orders fit {args.order}; name one of them:"]
        show(args.json, {"orders": listed}, [*told, *(f"  {one['called']} (feed {one['feed']})" for one in listed)])
    return NO


def moment(text: str) -> float:
    """Return the seconds since the epoch of a time in the arguments; raises CommandError."""
    try:
        return float(time_from_text(text))
    except ValueError as error:
        raise CommandError(f"expected a time such as 2026-11-24 or 2026-11-24T12:00:00Z, got {text!r}") from error


def _line(record: Record) -> str:
    return f"{record.number:>7} {record.time} {record.kind:14} {_words(record.kind, record.body)}".rstrip()


def _words(kind: str, body: Mapping[str, Any]) -> str:
    """Return a summary of a record, with who asked for what it is about."""
    by = body.get("by")
    rest = {name: value for name, value in body.items() if name != "by"}
    return _summary(kind, rest) + (f" [{by}]" if by else "")


def _summary(kind: str, body: Mapping[str, Any]) -> str:
    if kind == "start":
        died = body.get("last_alive")
        gap = f"; the one before ended without a record, and was last seen alive at {died}" if died else ""
        return f"blockd {body['blockd']}, {body['engine']} engine, {body['workers']} workers ({body['of']}){gap}"
    if kind == "enforced":
        why = f" ({body['reason']})" if body["reason"] else ""
        signed = ", ".join(f"{part['name']} {part['digest'][:12]}" for part in body["feeds"])
        base = body.get("base")
        on_top = "" if base is None else f", which is version {base} with the overrides of then,"
        entries = totals(body["names"], body.get("networks", 0))  # earlier records have no networks
        return f"version {body['version']}{on_top} by {body['how']}{why}: {entries}; {signed}"
    if kind == "order":
        is_timed = body["seconds"] is not None and body["change"] is not None
        took = f", {body['change']} within {body['seconds']:.3f} s" if is_timed else ""
        issuer = f" of {body['authority']}" if body["authority"] else ""
        called = body.get("called") or spelled(body.get("role", ""), body["order"])  # earlier records have the id alone
        whose = f"{called}{issuer} ({body['feed']})"
        return f"{whose}: {body['state']}, here since {body['since']}{took}"
    if kind in ("override", "override-ended"):
        by = f" by {body['officer']}" if body["officer"] else ""
        why = body["ended_reason"] or body["reason"]
        return f"{body['name']} ({body['scope']}) until {body['ended'] or body['until']}{by}: {why}"
    if kind in ("refused", "good-again"):
        return _refusal(kind, body)
    if kind == "accept":
        by = f" by {body['officer']}" if body["officer"] else ""
        return f"{body['feed']} {body['digest'][:12]} ({body['reason']}), {body['names']:,} names{by}: {body['why']}"
    if kind == "reload":
        told = {"taken": body["changes"], "unchanged": [f"only a restart takes {one}" for one in body["restart"]]}
        came = "".join(f": {one}" for one in ("; ".join(told.get(body["outcome"], body["problems"])),) if one)
        which = body["after"][:12] or "nothing was read"
        return f"{body['outcome']}, {which}{came}{_because(body['reason'])}"
    if kind == "upgrade":
        came = "".join(f": {problem}" for problem in body["problems"])
        versions = f"{body['before']} to {body['after'] or 'another version'}"
        return f"{versions}, {body['outcome']}{came}{_because(body['reason'])}"
    if kind == "rollback":
        enforced = body.get("enforced", body["version"])
        on_top = "" if enforced == body["version"] else f", enforced as version {enforced} with the overrides of then"
        return f"version {body['version']} is pinned{on_top}{_because(body['reason'])}"
    if kind == "release":
        return f"version {body['version']} is released{_because(body['reason'])}"
    if kind in ("gate-release", "gate-hold"):
        by = f" by {body['officer']}" if body["officer"] else ""
        done = "is let through" if kind == "gate-release" else "is held back again"
        return f"{body['entry']} {done}{by}{_because(body.get('ended_reason') or body['reason'])}"
    if kind == "refresh":
        return "all feeds" if body["feeds"] is None else ", ".join(body["feeds"])
    if kind == "flush":
        return "all" if body["kind"] == "all" else f"{body['kind']} {body['name']}"
    if kind == "token":
        return f"{body['name']} ({body['role']}) was {body['done']}"
    if kind == "self-test":
        came = body.get("failure") or f"{body.get('answers', 0)} answers are right"
        return f"version {body.get('version')}: {came}"
    return ", ".join(f"{name}: {value}" for name, value in body.items() if not isinstance(value, dict))


def _refusal(kind: str, body: Mapping[str, Any]) -> str:
    role, order = body.get("role", ""), body.get("order", "")
    part = f", order {f'{role}/' if role else ''}{order}" if order else f", authority {role}" if role else ""
    times = f", {body['times']:,} times" if body.get("times") else ""
    if kind == "good-again":
        return f"{body['feed']}{part}{f' (refused{times})' if times else ''}"
    return (
        f"{body['feed']}{part} ({body['reason']}{f'; the one before{times} more' if times else ''}): {body['sentence']}"
    )


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
