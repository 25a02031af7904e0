"""Telling on standard output that blockd has started: once, with what is enforced and how to ask it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from blockd.daemon.contexts import ControlContext
from blockd.daemon.report.banner import banner, progress
from blockd.daemon.report.feed_phase import NO_FEEDS, NO_FEEDS_BUT_A_RULESET
from blockd.daemon.report.log_lines import in_form
from blockd.daemon.report.status_line import StatusLine
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.timing import Timing
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.updater import Updater
from blockd.web.api.control import Condition

FIRST_LOOK = 10.0  # seconds to wait for all feeds at a first start before the start-up is announced anyway
NEXT_LOOK = 0.02  # seconds between two checks of that

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Announcement:
    """The announcement of one start; `readiness` returns whether every worker enforces the current version."""

    context: ControlContext
    feeds: FeedSet
    updater: Updater
    switcher: RulesetSwitcher
    timing: Timing
    readiness: Callable[[], Condition]

    async def tell(self) -> None:
        """Announce the start-up: at once if there was a ruleset, else once the content of every feed is enforced."""
        started, context = self.timing.monotonic(), self.context
        feeds = self.feeds.configured
        shown = StatusLine()
        if not feeds:
            log.warning("%s", NO_FEEDS if context.version is None else NO_FEEDS_BUT_A_RULESET)
        elif context.version is None:
            log.info("Reading the lists for the first time; feeds: %s.", ", ".join(feeds))
        while (seconds := self.timing.monotonic() - started) < FIRST_LOOK:
            looked = all(feed.looked and not feed.state.incoming for feed in feeds.values())
            if looked and not self.updater.is_busy:
                break
            if context.version is not None and self.readiness().is_ok:
                break
            shown.show(progress(feeds, seconds))
            await self.timing.sleep(NEXT_LOOK)
        shown.clear()
        shared, pin, switcher = context.shared, self.switcher.pin, self.switcher
        pins = pin.version if pin else None, switcher.base
        told = banner(shared.settings, context.config, shared.sockets.bound, feeds, switcher.enforced, *pins)
        print(in_form(told, shared.settings.logged, __name__, self.timing.clock()), flush=True)
