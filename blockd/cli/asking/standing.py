"""How a change stands that goes on after it was asked for: the daemon is asked until that has ended."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from blockd.cli.admin_client import RunningDaemon
from blockd.errors import CommandError

SILENT_SECONDS = 60.0  # in which nobody answers until it is given up: a large ruleset takes a while to be opened
PAUSE = 0.2  # seconds between two looks at how it stands


def ended(
    daemon: RunningDaemon, path: str, begun: Mapping[str, Any], under_way: Collection[str], seconds: float
) -> dict[str, Any] | None:
    """Return the record at `path` of what has `begun`, once its outcome is none of `under_way`.

    Meanwhile the process that is asked is replaced, too, and its socket made anew. None if it has not ended within so
    many seconds; raises CommandError if nobody answers for long.
    """
    deadline = time.monotonic() + seconds
    heard = time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(PAUSE)
        try:
            found = daemon.ask(path)
        except CommandError:
            if time.monotonic() - heard > SILENT_SECONDS:
                raise
            continue
        heard = time.monotonic()
        for one in (found["current"], found.get("last")):
            if one is not None and one["id"] == begun["id"] and one["outcome"] not in under_way:
                return dict(one)
    return None
