"""`blockd override`: never block a name for a while, for a reason; the operator's own exception to an order."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.cli.parts import add_part
from blockd.daemon.overrides import OverrideStatus
from blockd.errors import CommandError, FeedRefused, RulesetError
from blockd.feeds.overrides.file import FILE, read_overrides
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.policy import at_time
from blockd.settings import Settings, load

HELP = "never block a name until a date, for a reason: add, list, end"
SECONDS = 900.0  # for compiling it beside the largest lists


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three parts."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    add = add_part(parts, "add", "never block a name, and what is under it, until a date")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit log")
    add.add_argument("--until", required=True, metavar="DATE", help="at most 90 days ahead, such as 2026-12-31")
    add.add_argument("--scope", default="both", choices=("exact", "subdomains", "both"))
    add.add_argument("--as", default="", dest="officer", metavar="OFFICER", help="who answers for it")
    add_part(parts, "list", "the overrides, with those that ended in the last days")
    end = add_part(parts, "end", "end an override before its date")
    end.add_argument("name", metavar="NAME")
    end.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit log")


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 if `list` finds nothing, or if a change is not enforced yet."""
    settings = load(args.config)
    if args.part == "list":
        told = _listed(settings)
        show(args.json, {"overrides": told}, (line for one in told for line in _lines(one)))
        return DONE if any(not one["over"] for one in told) else NO
    asked = {"name": args.name, "reason": args.reason}
    if args.part == "add":
        asked |= {"until": args.until, "scope": args.scope, "as": args.officer}
    changed: dict[str, Any] = ask(settings, "/api/override", {args.part: asked}, SECONDS)
    show(args.json, changed, [*_lines(changed), _outcome(changed)])
    return DONE if changed.get("outcome") == "enforced" else NO


def _listed(settings: Settings) -> list[dict[str, Any]]:
    """Return the overrides of the file, each with whether the version in force has it; raises CommandError."""
    now = time.time()
    versions = Versions(settings.state_dir / "rulesets")
    current = versions.current()
    with contextlib.ExitStack() as stack:
        enforced = None
        with contextlib.suppress(RulesetError):  # without one, none of them is in force
            if current is not None:
                enforced = at_time(current, Ruleset.open(versions.ruleset(current), verify=False), now)
                stack.callback(enforced.close)
        try:
            known = read_overrides(settings.state_dir / FILE)
            return [OverrideStatus.at(one, enforced, now).to_json() for one in known]
        except (FeedRefused, RulesetError) as error:
            raise CommandError(str(error)) from error


def _outcome(told: dict[str, Any]) -> str:
    if told.get("outcome") == "enforced":
        return f"  enforced: version {told['version']}"
    return f"  saved, but not enforced yet: {told.get('why') or 'no list is enforced'}"


def _lines(told: dict[str, Any]) -> Iterator[str]:
    over = "over" if told["over"] else "in force" if told["in_force"] else "NOT IN FORCE"
    yield f"{told['name']} ({told['scope']}): {over}, from {told['created']} until {told['ended'] or told['until']}"
    yield f"  {told['id']}: {told['reason']}" + (f", by {told['officer']}" if told["officer"] else "")
    if told["ended_reason"]:
        yield f"  ended early: {told['ended_reason']}"
