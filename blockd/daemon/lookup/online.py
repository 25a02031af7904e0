"""The lookups of a running daemon, which asks its workers what clients get."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from blockd.daemon.lookup.asking import Asker, NoAnswer
from blockd.daemon.lookup.following import Swapped, WayAsker
from blockd.daemon.lookup.offline import (
    IN_THE_PAST,
    NOT_A_NAME,
    UNSERVED,
    explained,
    is_served,
    look_up_offline,
    result,
    traced,
)
from blockd.daemon.lookup.past import snapshot_at
from blockd.daemon.lookup.result import Aliases, LookupResult
from blockd.daemon.lookup.way import QTYPES, Way, WayFinder
from blockd.daemon.report.held_back import HeldBack
from blockd.errors import CommandError
from blockd.formats.subject import subject_of
from blockd.orders import Verdict
from blockd.resolver.resolution import Resolution, Route
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.ruleset.because import why_other
from blockd.ruleset.explain import Explanation, GroupVerdict, word_of
from blockd.ruleset.gate.held_entries import covering
from blockd.ruleset.lookup_query import LookupQuery
from blockd.settings import Settings

TRIES = 3  # of a lookup during which the ruleset is replaced
MAX_AT_ONCE = 4  # lookups that ask a worker, so that they take no connections from clients
FOR_OTHERS = "the rule for this client decides, and workers were not asked"
FOR_GROUP = "workers were not asked what this client gets: they tell what clients in no group get"


@dataclass(frozen=True, slots=True)
class World:
    """What lookups of a running daemon are about; `enforced` returns the version in force, None before the first.

    `held` knows what the gate holds back of it, `resolution` who answers for a name.
    """

    settings: Settings
    enforced: Callable[[], Enforced | None]
    asker: Asker
    clock: Callable[[], float]
    held: HeldBack
    resolution: Callable[[], Resolution] = Resolution


class Lookups:
    """The lookups of a running daemon, for its admin port."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reading = asyncio.Lock()  # so that lists are read for one request at a time
        self._asking = asyncio.Semaphore(MAX_AT_ONCE)
        self._asker = WayAsker(world.enforced, world.asker)

    async def look_up(self, query: LookupQuery) -> LookupResult:
        """Return the result; raises BadName, and CommandError if it is about another daemon."""
        settings, now = self._world.settings, self._world.clock()
        if not _is_about(query, settings):
            raise CommandError(f"The blockd that answers here has another state folder, {settings.state_dir}.")
        if query.at is not None:
            subject_of(query.name)  # a wrong name is refused before anything is read
            async with self._reading:
                return await asyncio.to_thread(_at, settings, query, query.at, now)
        aliases: Aliases | None = None
        route: Route | None = None
        for _ in range(TRIES):
            enforced = self._world.enforced()
            explanation = explained(settings, enforced, query)
            if not explanation.subject.is_network:
                route = self._world.resolution().route(explanation.subject.key)
            if not query.resolve:
                break
            try:
                aliases = await self._follow(enforced, explanation, query)
                break
            except Swapped:
                aliases = Aliases(False, "the ruleset was being replaced; ask again")
        if not query.trace:
            reports = self._world.held.reports(enforced) or {}
            held = tuple(covering(reports, explanation.subject.key))
            return replace(result(settings, explanation, query, aliases), held=held, route=route)
        async with self._reading:
            found = await asyncio.to_thread(traced, settings, explanation, query, aliases, enforced)
        return replace(found, route=route)

    async def _follow(self, enforced: Enforced | None, explanation: Explanation, query: LookupQuery) -> Aliases:
        """Ask a worker where the name leads, and what a client gets."""
        subject = explanation.subject
        if subject.is_network:
            return Aliases(False, NOT_A_NAME)
        if not is_served(self._world.settings, query):
            return Aliases(False, UNSERVED)
        local = self._world.resolution().local.zone_of(subject.key)
        seen = enforced.seen_from(query.client_octets) if enforced is not None else None
        finder = WayFinder(seen, subject.key, explanation.decided, local.text if local else "")
        client_decides = seen is not enforced or (
            bool(query.client) and explanation.decided != _for_everybody(enforced, subject.key)
        )
        try:
            async with self._asking:
                ways, heard = await self._asker.ways(enforced, finder, subject.key, ask_judged=not client_decides)
        except NoAnswer as error:
            return Aliases(False, f"{error}")
        missing = [QTYPES[way.qtype] for way in ways if not way.is_known]
        why = FOR_GROUP if seen is not enforced else FOR_OTHERS if client_decides else ""
        if missing:
            first = next(way.why for way in ways if not way.is_known)
            why = f"for {', '.join(missing)} it is not known where the name leads: {first}"
        by_group = None
        if enforced is not None and heard and not query.client and enforced.client_groups:
            by_group = tuple(led_by_group(enforced, subject.key, ways, heard))
        return Aliases(not missing, why, tuple(ways), by_group)


def _at(settings: Settings, query: LookupQuery, at: float, now: float) -> LookupResult:
    snapshot = snapshot_at(settings, at, now)
    try:
        return look_up_offline(settings, snapshot, query, IN_THE_PAST)
    finally:
        if snapshot.enforced is not None:
            snapshot.enforced.close()


def _is_about(query: LookupQuery, settings: Settings) -> bool:
    """Return whether a query is about the state folder of a daemon with these settings, or about any.

    A path that somebody sent is compared and not looked up: a file system that is away would hold up this process.
    """
    return query.state_dir in ("", str(settings.state_dir.resolve()))


def _for_everybody(enforced: Enforced | None, key: bytes) -> object:
    return enforced.verdict(key) if enforced is not None else None


def led_by_group(
    enforced: Enforced, key: bytes, ways: Sequence[Way], heard: Mapping[int, bytes]
) -> Iterator[GroupVerdict]:
    """Yield the groups for which a name, or what it leads to, is stopped otherwise than for clients in none.

    `ways` are those for clients in none, and `heard` what upstreams answered.
    """
    everybodys = _stopping(ways)
    for number, group in enumerate(enforced.client_groups, 1):
        seen = enforced.seen_by(number)
        finder = WayFinder(seen, key, seen.verdict(key))
        theirs = [
            finder.decided(qtype) if finder.is_decided else finder.way(qtype, heard.get(qtype)) for qtype in QTYPES
        ]
        verdict = _stopping(theirs)
        if (verdict.action, verdict.order_index) != (everybodys.action, everybodys.order_index):
            yield GroupVerdict(group.name, word_of(verdict), why_other(verdict, everybodys, group))


def _stopping(ways: Sequence[Way]) -> Verdict:
    """Return the first verdict that stops the name, or something that it leads to."""
    return next((way.verdict for way in ways if way.verdict.touches), NOT_LISTED)
