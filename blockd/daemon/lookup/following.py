"""Asking a worker where a name leads; and whether anything there is blocked, for visitors of the block page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from blockd.daemon.lookup.asking import Asker, NoAnswer
from blockd.daemon.lookup.way import QTYPES, Way, WayFinder, in_order
from blockd.orders import Action, Verdict
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.web.bounds.places import NoPlace, PlaceBounds, SharedPlaces

# Visitors of the block page for whom a worker is asked: asking takes longer than a page, and workers are the clients'.
# Those beyond get their page without it, and none of them for the sake of one that asks more.
VISITORS = PlaceBounds(at_once=8, per_second=50, waiting=32, patience=1.0)


class Swapped(Exception):
    """The ruleset was replaced while a worker was asked."""


class WayAsker:
    """Asks a worker for the ways of names; `enforced` returns the version in force."""

    def __init__(self, enforced: Callable[[], Enforced | None], asker: Asker) -> None:
        self._enforced = enforced
        self._asker = asker

    async def ways(
        self, enforced: Enforced | None, finder: WayFinder, key: bytes, *, ask_judged: bool
    ) -> tuple[list[Way], Mapping[int, bytes]]:
        """Return the way of each type, and what upstreams answered, which is empty if they were not asked.

        Raises NoAnswer, and Swapped if `enforced` has been replaced and closed.
        """
        before: Mapping[int, bytes] = {}
        if finder.is_decided:
            ways = {qtype: finder.decided(qtype) for qtype in QTYPES}
        else:
            before = await self._asker.ask(key, tuple(QTYPES), unjudged=True)
            self._must_enforce(enforced)
            ways = {qtype: finder.way(qtype, before.get(qtype)) for qtype in QTYPES}
        answered = [qtype for qtype, way in ways.items() if way.verdict.action is not Action.DROP]
        if ask_judged and answered:
            after = await self._asker.ask(key, answered, unjudged=False)
            self._must_enforce(enforced)
            for qtype, message in after.items():
                ways[qtype] = replace(ways[qtype], answer=finder.answer(message))
        return in_order(ways), before

    def _must_enforce(self, enforced: Enforced | None) -> None:
        if self._enforced() is not enforced:
            raise Swapped


class Visitors:
    """What visitors of the block page are told about where a name leads that is not listed itself.

    `clock` is monotonic, in seconds.
    """

    def __init__(
        self, enforced: Callable[[], Enforced | None], asker: Asker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._enforced = enforced
        self._asker = WayAsker(enforced, asker)
        self._places = SharedPlaces(VISITORS, clock)

    async def where_it_leads(self, key: bytes, client: bytes) -> Verdict | None:
        """Return the verdict that stops what a name leads to for a client, NOT_LISTED if none does; None if not known.

        A verdict on the name itself that stops it is returned as well. Nobody waits behind one who asks more.
        """
        try:
            async with self._places.place(client):
                enforced = self._enforced()
                if enforced is None:
                    return None
                seen = enforced.seen_from(client)
                finder = WayFinder(seen, key, seen.verdict(key, client))
                ways, _ = await self._asker.ways(enforced, finder, key, ask_judged=False)
        except (NoAnswer, NoPlace, Swapped):
            return None
        stopped = next((way.verdict for way in ways if way.verdict.stops), None)
        return stopped or (NOT_LISTED if all(way.is_known for way in ways) else None)
