"""A blockd with a fault of its own: `python -m tests.daemon.faulty run …`.

While there is a file `fault-INDEX` in the working folder, the worker with that index says that it enforces a new
version, and keeps the one before: a confined worker sees that there is such a file, and can read none. Its self-tests
have time enough for a busy machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from blockd.cli import main
from blockd.daemon.channel import Channel
from blockd.daemon.contexts import WorkerContext
from blockd.daemon.worker import process as worker
from blockd.resolver import Resolver
from blockd.ruleset import Enforced
from blockd.selftest import client as asking

_enforce = worker._enforce


async def _faulty(
    context: WorkerContext, resolver: Resolver, channel: Channel, version: int, before: Enforced | None
) -> Enforced | None:
    if Path(f"fault-{context.index}").exists():  # noqa: ASYNC240 - a test's
        channel.send({"enforcing": version})
        return before
    return await _enforce(context, resolver, channel, version, before)


worker._enforce = _faulty
asking.SECONDS = 20.0
asking.PATIENCE = 0.5

if __name__ == "__main__":
    sys.exit(main())
