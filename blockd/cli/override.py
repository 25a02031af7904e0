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
from blockd.daemon.lookup.past import snapshot_now
from blockd.daemon.operator.overrides import OverrideStatus
from blockd.errors import CommandError, FeedRefused, RulesetError
from blockd.feeds.overrides.file import FILE, read_overrides
from blockd.settings import Settings, load

NONE = "There is no override, and none has ended in the last days."
SECONDS = 900.0  # for compiling it beside the largest lists


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 if `list` finds nothing, or if a change is not enforced yet."""
    if args.part == "list":
        told = _listed(load(args.config))
        show(args.json, {"overrides": told}, [line for one in told for line in _lines(one)] or [NONE])
        return DONE if any(not one["over"] for one in told) else NO
    asked = {"name": args.name, "reason": args.reason}
    if args.part == "add":
        asked |= {"until": args.until, "scope": args.scope, "as": args.officer}
    changed: dict[str, Any] = ask(args.config, "/api/v1/override", {args.part: asked}, SECONDS)
    show(args.json, changed, [*_lines(changed), *_before(changed), _outcome(changed)])
    return DONE if changed.get("outcome") == "enforced" else NO


def _before(told: dict[str, Any]) -> Iterator[str]:
    """Say what happened to the name before an override was added."""
    if "before" in told:
        yield f"  before: {told['before']['verdict']} ({told['before']['why']})"


def _listed(settings: Settings) -> list[dict[str, Any]]:
    """Return the overrides of the file, each with whether the version in force has it; raises CommandError."""
    now = time.time()
    with contextlib.ExitStack() as stack:
        enforced = None
        with contextlib.suppress(RulesetError, CommandError):  # without a version, none of them is in force
            enforced = snapshot_now(settings, now).enforced
        if enforced is not None:
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
