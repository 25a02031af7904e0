"""Orders come into force and end on the second, without compiling: their states are flipped in shared memory."""

from __future__ import annotations

import logging

from blockd.audit import AuditRecorder
from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.daemon.update.expiry import Ends, Expiry, next_end, orders_of
from blockd.daemon.update.feed_set import FeedSet
from blockd.orders import Order
from blockd.orders.disclosure import called
from blockd.ruleset import next_flip

TICK = 1.0  # seconds at most between two readings of the clock, so that setting it is noticed
SHORTEST = 0.001  # seconds of the shortest wait, so that waits that end a little early are not repeated endlessly

log = logging.getLogger(__name__)


class OrderClock:
    """Flips the states of the orders in what `switcher` enforces, and logs which of `feeds` have expired."""

    def __init__(
        self,
        state: StateDir,
        switcher: RulesetSwitcher,
        feeds: FeedSet,
        recorder: AuditRecorder,
        timing: Timing,
        watch: ClockWatch,
    ) -> None:
        self._state = state
        self._switcher = switcher
        self._feeds = feeds
        self._recorder = recorder
        self._timing = timing
        self._watch = watch
        self._expiry = Expiry()
        self._removed: set[str] = set()

    async def run(self) -> None:
        """Flip what is due, at once if the clock was set, until cancelled."""
        while True:
            now = self._timing.clock()
            self._watch.look()
            ends = self._feeds.ends(now)
            at = self._flip(now, ends)
            self._switcher.flips.clear()
            await self._wait(now, ends, at)

    def _flip(self, now: float, ends: Ends) -> float | None:
        """Set every order to its state at `now`; return when a state changes next, None if never."""
        enforced = self._switcher.enforced
        ruleset = self._switcher.ruleset
        orders: list[Order] = []
        stale = frozenset[int]()
        if ruleset is not None:
            # What is pinned stays as it was; a ruleset made by an earlier config is compiled again soon.
            removed = {} if self._switcher.is_held else self._feeds.removed(ruleset.catalogue)
            self._tell_removed(removed)
            orders, stale = orders_of(ruleset.catalogue, ruleset.header.created, {**ends, **removed})
        self._expiry.look(self._feeds.known(), now)
        if enforced is not None:
            states = self._state.writable_states(enforced)
            before = bytes(states.states)
            for order, state in states.update(orders, now, stale):
                issuer = f" of {order.authority}" if order.authority else ""
                log.info("%s%s is %s from now on.", called(order, "Order", "List"), issuer, state.text)
            self._recorder.flipped(enforced, before, self._timing.clock())
            states.close()
        changes = (next_flip(orders, now), next_end(self._feeds.known(), now))
        return min((change for change in changes if change is not None), default=None)

    def _tell_removed(self, removed: Ends) -> None:
        """Log once which feeds of the ruleset are no longer in the config."""
        for name in sorted(set(removed) - self._removed):
            log.warning(
                "Feed %s is no longer in the config: its names are not enforced from now on. The ruleset is compiled "
                "again without them.", name,
            )  # fmt: skip
        self._removed = set(removed)

    async def _wait(self, last: float, ends: Ends, at: float | None) -> None:
        """Wait until the time `at`, for another ruleset or other dates, or until the clock is set back."""
        flips, timing = self._switcher.flips, self._timing
        while not flips.is_set() and last <= (now := timing.clock()) and (at is None or now < at):
            last = now
            self._watch.look()
            if self._feeds.ends(now) != ends:
                return
            self._expiry.look(self._feeds.known(), now)
            await timing.wait(flips, TICK if at is None else min(TICK, max(at - now, SHORTEST)))
