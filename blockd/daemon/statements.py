"""Making statements of enforcement while the daemon runs: on demand, and as often as the config says."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from blockd import __version__
from blockd.daemon.audit import Accounts
from blockd.daemon.audit.statement import keep_statement, kept_statements, node_key, sign_statement
from blockd.daemon.expiry import end_of
from blockd.daemon.managed_feed import ManagedFeed
from blockd.daemon.workers import Workers
from blockd.errors import AuditError, CommandError
from blockd.orders import State
from blockd.orders.document import time_text
from blockd.orders.moment import moment_text
from blockd.resolver import engine_name
from blockd.ruleset import Enforced

LOOK = 60.0  # seconds between two looks whether a statement is due
AGAIN = 3600.0  # seconds after which one that failed is tried again

log = logging.getLogger(__name__)


class StatementService:
    """Makes the statements of one node, called `node`, and keeps them with `accounts`."""

    def __init__(self, accounts: Accounts, node: str, tell: Callable[[], Mapping[str, Any]]) -> None:
        """`tell` gives the parts that only the control process knows."""
        self._accounts = accounts
        self._folder = accounts.log.folder
        self._node = node
        self._tell = tell

    def begin(self) -> None:
        """Make the node's key at a first start; a failure is told, and only statements depend on it."""
        try:
            node_key(self._folder)
        except AuditError as error:
            log.error("Statements of enforcement cannot be signed: %s", error)

    async def state(self) -> dict[str, object]:
        """Make a statement now, keep it, and give it with its file's name; raises CommandError."""
        now = time.time()
        told = {
            "node": self._node,
            "time": moment_text(now),
            "blockd": __version__,
            "engine": engine_name(),
            **self._tell(),
            "audit": self._accounts.log.head.to_json(),
        }
        try:
            octets = sign_statement(told, node_key(self._folder))
            stem = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            path = await asyncio.to_thread(keep_statement, self._folder, stem, octets)
        except AuditError as error:
            raise CommandError(f"No statement was made: {error}") from error
        except OSError as error:
            raise CommandError(f"The statement cannot be kept: {error}. None was made.") from error
        self._accounts.stated(path.name, octets)
        return {"file": path.name, "statement": octets.decode("ascii")}

    async def state_forever(self, interval: float | None) -> None:
        """Make one whenever the newest is older than `interval` seconds; never where that is None.

        There is none before the first version: that nothing is enforced is nobody's question. A clock that was set
        back makes the newest one of the future; those made since then are counted by the time that passes.
        """
        failed, made = -AGAIN, -float("inf")
        while interval is not None:
            kept = await asyncio.to_thread(kept_statements, self._folder)
            newest = kept[-1].stat().st_mtime if kept else 0.0
            is_due = not newest <= time.time() < newest + interval
            has_waited = time.monotonic() >= max(failed + AGAIN, made + interval)
            if is_due and has_waited and self._tell()["version"] is not None:
                try:
                    await self.state()
                    made = time.monotonic()
                except CommandError as error:
                    log.error("%s", error)
                    failed = time.monotonic()
            await asyncio.sleep(LOOK)


def statement_of(
    enforced: Enforced | None,
    feeds: Mapping[str, ManagedFeed],
    workers: Workers,
    accounts: Accounts,
    self_test: Mapping[str, object] | None,
) -> dict[str, Any]:
    """Give what is enforced, as plain values."""
    catalogue = enforced.ruleset.catalogue if enforced else None
    states = enforced.states.states if enforced else ()
    ends = {name: end_of(tracked.watch.feed, tracked.state) for name, tracked in feeds.items()}
    return {
        "version": enforced.version if enforced else None,
        "digest": enforced.ruleset.digest if enforced else None,
        "names": enforced.ruleset.header.names if enforced else 0,
        "feeds": [
            {
                "name": feed.name,
                "type": feed.type,
                "digest": feed.digest,
                "version": feed.version,
                "names": feed.names,
                "expires": None if (end := ends.get(feed.name)) is None else time_text(end),
            }
            for feed in (catalogue.feeds if catalogue else ())
        ],
        "orders": [
            {
                "feed": record.feed,
                "id": record.order.id,
                "authority": record.order.authority,
                "action": str(record.order.action),
                "since": accounts.in_force_since(record.feed, record.order.id),
            }
            for record, state in zip(catalogue.orders if catalogue else (), states, strict=True)
            if State(state) is State.IN_FORCE
        ],
        "workers": [
            {"index": index, "enforces": workers.enforcing.get(index) or None} for index in range(workers.size)
        ],
        "self_test": self_test,
    }
