"""`blockd reload`: have the running daemon take the config on disk, and wait until it has, or see what would change."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import DaemonWays, RunningDaemon
from blockd.cli.asking.standing import ended
from blockd.cli.asking.token import known_token
from blockd.cli.output import show
from blockd.errors import CommandError

PATH = "/api/v1/reload"
CHECK_SECONDS = 150.0  # for reading all files that the config names, and for trying it
TAKE_SECONDS = 300.0  # for replacing every process; each may take a while to answer what is pending
_ELSEWHERE = (
    "If the file on disk names another admin socket, admin port or state folder than the daemon that runs, have it "
    "reloaded by the signal SIGHUP: `systemctl reload blockd`."
)
GOOD = ("taken", "unchanged")
UNDER_WAY = ("checking", "trying", "taking")


def run(args: argparse.Namespace) -> int:
    """Print what was taken, or would be; 1 if the config cannot be taken, and then what is in force stays.

    The daemon reads the file, and says what is wrong with it. Here it is read only as far as that takes to be found.
    """
    daemon = RunningDaemon(DaemonWays(args.config, guesses=True))
    meant = "" if known_token() else str(args.config.absolute())  # with a token, the daemon may be of another machine
    asked = {"dry_run": args.dry_run, "reason": args.reason, "config": meant}
    try:
        told = daemon.ask(PATH, asked, CHECK_SECONDS)
    except CommandError as error:
        if daemon.is_at_socket:
            raise
        raise CommandError(f"{str(error).removesuffix('.')}. {_ELSEWHERE}") from error
    told = ended(daemon, PATH, told, UNDER_WAY, TAKE_SECONDS)
    show(args.json, told, _lines(told))
    return DONE if told["outcome"] in GOOD else NO


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield it as lines for people."""
    outcome, is_dry = told["outcome"], told["dry_run"]
    if outcome == "unchanged" and told["restart"]:
        yield "Nothing of the config on disk is new but what needs a restart."
    elif outcome == "unchanged":
        yield f"The config on disk is the one in force (SHA-256 {told['after'][:12]})."
    elif outcome == "taken" and is_dry:
        yield f"The config on disk (SHA-256 {told['after'][:12]}) would be taken; nothing was changed."
    elif outcome == "taken":
        yield f"The config on disk (SHA-256 {told['after'][:12]}) is in force after {told['seconds']:.1f} seconds."
    else:
        was = "would not be" if is_dry else "was not"
        yield f"The config on disk {was} taken. The one in force stays, and goes on."
    yield from (f"  {problem}" for problem in told["problems"])
    if told["changes"]:
        yield "It would have changed:" if outcome not in GOOD else "It would change:" if is_dry else "Changed:"
        yield from (f"  {change}" for change in told["changes"])
    if told["replaced"]:
        were = "would be replaced" if is_dry or outcome not in GOOD else "were replaced"
        yield f"Processes that {were}, one after the other: {', '.join(told['replaced'])}."
    if told["restart"]:
        yield f"Only a restart takes what is new of {', '.join(told['restart'])}; until then it stays as it was."
