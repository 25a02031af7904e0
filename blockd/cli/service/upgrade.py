"""`blockd upgrade`: have another version take the place of the running one, and wait until it serves, or try it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.files import is_socket
from blockd.settings import Settings, load

TRY_SECONDS = 160.0  # for the new program to try itself
TAKE_SECONDS = 180.0  # for it to serve, or for the one before to go on
PAUSE = 0.2  # seconds between two looks at how it stands
GOOD = ("taken", "tried")


def run(args: argparse.Namespace) -> int:
    """Print what came of it; 1 if the version before goes on."""
    settings = load(args.config)
    by_socket = is_socket(settings.admin_socket)
    asked = {"program": args.program, "dry_run": args.dry_run, "reason": args.reason}
    told: dict[str, Any] = ask(settings, "/api/v1/upgrade", asked, TRY_SECONDS)
    if told["outcome"] == "taking":
        told = _waited(settings, told, by_socket=by_socket)
    show(args.json, told, _lines(told))
    return DONE if told["outcome"] in GOOD else NO


def _waited(settings: Settings, begun: dict[str, Any], *, by_socket: bool) -> dict[str, Any]:
    """Return how an upgrade has ended; meanwhile the process that is asked is replaced."""
    deadline = time.monotonic() + TAKE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(PAUSE)
        try:
            found = ask(settings, "/api/v1/upgrade", stays=by_socket)["current"]
        except CommandError:  # the control process is being replaced, and its socket made anew
            continue
        if found is not None and found["id"] == begun["id"] and found["outcome"] in ("taken", "failed"):
            return dict(found)
    raise CommandError(
        f"The daemon has not told within {TAKE_SECONDS:.0f} seconds what came of the upgrade. `blockd status` shows "
        "which version runs, and the log says more."
    )


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield it as lines for people."""
    outcome = told["outcome"]
    if outcome == "taken":
        yield f"Version {told['after']} has taken the place of version {told['before']}."
    elif outcome == "tried":
        yield f"Version {told['after']} could take the place of version {told['before']}; nothing was changed."
    else:
        yield f"Version {told['before']} goes on: {told['after'] or 'the other one'} has not taken its place."
    yield from (f"  {problem}" for problem in told["problems"])
