"""How a change stands that goes on after it was asked for: the daemon is asked until that has ended."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from blockd.cli.admin_client import DaemonAbsent, RunningDaemon
from blockd.errors import CommandError

SILENT_SECONDS = 60.0  # in which nobody answers until it is given up: a large ruleset takes a while to be opened
GONE_SECONDS = 30.0  # in which nobody is there, or somebody who knows of nothing: a start takes some seconds
PAUSE = 0.2  # seconds between two looks at how it stands


def ended(
    daemon: RunningDaemon, path: str, told: Mapping[str, Any], under_way: Collection[str], seconds: float
) -> dict[str, Any]:
    """Return the record at `path` of what has begun, of which `told` is known, once its outcome is none of `under_way`.

    Meanwhile the process that is asked is replaced, too, and its socket made anew. Raises CommandError if it has not
    ended within so many seconds, if nobody answers for long, or if the daemon was ended or started anew meanwhile.
    """
    if told["outcome"] not in under_way:
        return dict(told)
    heard = there = knows = time.monotonic()
    deadline = heard + seconds
    while time.monotonic() < deadline:
        time.sleep(PAUSE)
        try:
            found = daemon.ask(path)
        except DaemonAbsent as error:
            if time.monotonic() - there > GONE_SECONDS:
                raise CommandError(
                    f"The daemon was ended before this came to its end, and is not there again: {error}"
                ) from error
            continue
        except CommandError:
            there = time.monotonic()
            if there - heard > SILENT_SECONDS:
                raise
            continue
        heard = there = time.monotonic()
        records = [one for one in (found["current"], found.get("last"), *found.get("recent", ())) if one is not None]
        if records:
            knows = heard
        elif heard - knows > GONE_SECONDS:
            raise CommandError(
                "The daemon was started anew before this came to its end, and knows nothing of it. `blockd status` "
                "shows what it runs by, and the log says more."
            )
        for one in records:
            if one["id"] == told["id"] and one["outcome"] not in under_way:
                return dict(one)
    raise CommandError(
        f"The daemon has not told within {seconds:.0f} seconds what came of it. `blockd status` shows which version "
        "runs by which config, and the log says more."
    )
