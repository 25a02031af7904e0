"""Records of versions while the daemon runs: what was enforced, from which sources, and what it changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path

from blockd.compile.news import News
from blockd.errors import RulesetError
from blockd.ruleset import Enforced, Ruleset, Versions
from blockd.ruleset.gate.held_file import write_reports
from blockd.ruleset.versions.contradictions import Contradictions, contradictions
from blockd.ruleset.versions.diff import Changes
from blockd.ruleset.versions.keeping import Retention, prune
from blockd.ruleset.versions.version_record import Difference, Source, VersionRecord
from blockd.settings import Feed

Compare = Callable[[Path, Path], Awaitable[Changes]]
"""Counts what changes from one ruleset file to another; raises RulesetError. See `blockd.daemon.update.diff_child`."""

MAX_TOLD = 20  # contradictions of one version that are logged one by one

log = logging.getLogger(__name__)


class VersionJournal:
    """Writes the records of `versions`, and deletes those that are no longer kept; a failure is only logged."""

    def __init__(
        self,
        versions: Versions,
        feeds: Sequence[Feed],
        retention: Retention,
        clock: Callable[[], float],
        compare: Compare,
    ) -> None:
        self._retention = retention
        self._clock = clock
        self._compare_files = compare
        self._versions = versions
        self._places = {feed.name: feed.shown_place for feed in feeds}
        self._comparing: set[asyncio.Task[None]] = set()
        self._told: set[object] | None = None  # contradictions that the log has; None before the first version
        self.contradictions = Contradictions()  # in the version enforced, once they were found

    async def added(self, enforced: Enforced, news: News, base: int | None) -> None:
        """Record what was held back of a new version, before it is enforced: a lookup may ask from then on.

        `base` is the version that it was made from by other overrides, which holds back what that does.
        """
        versions = self._versions
        names = {feed.name for feed in enforced.ruleset.catalogue.feeds}

        def write() -> None:
            held = news.held if base is None else versions.held(base)
            if held is not None:
                reports = {name: report for name, report in held.items() if name in names}
                write_reports(versions.held_path(enforced.version), reports)

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            log.warning("What is held back of version %d cannot be recorded: %s.", enforced.version, error)

    async def enforced(
        self,
        enforced: Enforced,
        before: int | None,
        news: News | None = None,
        *,
        base: int | None = None,
        rollback: bool = False,
        reason: str = "",
    ) -> None:
        """Record that a version is enforced from now on, in place of `before`; `news` if it is a new one.

        `base` is the version that it was made from by other overrides, None if it was compiled.
        """
        now = self._clock()
        try:
            await asyncio.to_thread(self._write, enforced, before, news, base, now, rollback, reason)
        except OSError as error:
            log.warning(
                "The record of version %d cannot be written: %s. The version is enforced all the same.",
                enforced.version,
                error,
            )
        if news is not None:
            await self._prune(now)
        if news is not None and before is not None and news.changes is None:
            self._start(self._compare(before, enforced.version))
        self._start(self._find_contradictions(enforced))

    async def close(self) -> None:
        """End comparisons that are still running."""
        for task in self._comparing:
            task.cancel()
        await asyncio.gather(*self._comparing, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)

    async def _find_contradictions(self, enforced: Enforced) -> None:
        """Find where authorities contradict each other in a version, and log what is new."""
        version, ruleset = enforced.version, enforced.ruleset
        try:
            found = await asyncio.to_thread(_contradictions, ruleset)
        except (RulesetError, OSError) as error:
            log.warning("Contradictions in version %d are not known: %s.", version, error)
            return
        self.contradictions = found
        new = [one for one in found.listed if one.key not in (self._told or ())]
        if self._told is None and new:
            log.warning(
                "Orders contradict those of other authorities, %d in all; `blockd status` lists them.", found.count
            )
        for one in new[:MAX_TOLD] if self._told is not None else ():
            log.warning("Orders contradict each other since version %d: %s.", version, one.sentence)
        if self._told is not None and len(new) > MAX_TOLD:
            log.warning("%d more orders contradict others since version %d.", len(new) - MAX_TOLD, version)
        self._told = {one.key for one in found.listed}

    async def _prune(self, now: float) -> None:
        """Delete what is no longer kept, now that there is one more."""
        try:
            gone = await asyncio.to_thread(prune, self._versions, self._retention, now)
        except OSError as error:
            log.warning("Versions that are no longer kept cannot be deleted: %s.", error)
        else:
            if gone:
                log.debug("Versions %s are no longer kept.", gone)

    def _write(
        self,
        enforced: Enforced,
        before: int | None,
        news: News | None,
        base: int | None,
        now: float,
        rollback: bool,
        reason: str,
    ) -> None:
        versions, version = self._versions, enforced.version
        record = None if news else versions.record(version)
        if record is None:
            before = before if base is None else base
            earlier = versions.record(before) if before is not None else None
            record = self._new(enforced, earlier, news)
            if base is not None:
                reports = (earlier.rejects, earlier.held) if earlier is not None else ({}, {})
                record = replace(record, base=base, rejects=reports[0], held=reports[1])
            if news is not None and news.changes is not None and before is not None:
                record = replace(record, difference=_difference(before, news.changes))
        begun = record.begun(now, rollback=rollback, reason=reason)
        if begun is not record or news is not None:
            begun.write(versions.record_path(version))
        for other in versions.all():
            known = versions.record(other) if other != version else None
            if known is not None and (ended := known.ended(now)) is not known:
                ended.write(versions.record_path(other))

    def _new(self, enforced: Enforced, before: VersionRecord | None, news: News | None) -> VersionRecord:
        """Record a ruleset; facts about a source are taken from the record before if its content is the same."""
        catalogue = enforced.ruleset.catalogue
        earlier = {(part.name, part.digest): part for part in before.feeds} if before else {}
        sources = {}
        for feed in catalogue.feeds:
            known = earlier.get((feed.name, feed.digest))
            if news is not None and feed.name in news.taken:
                sources[feed.name] = Source(self._places.get(feed.name, ""), news.taken[feed.name].source_time)
            elif known is not None:
                sources[feed.name] = Source(known.source, known.source_time)
            elif news is not None:
                sources[feed.name] = Source(self._places.get(feed.name, ""))
        record = VersionRecord.of(enforced.ruleset.header, catalogue, sources)
        if news is None:
            return record
        names = {feed.name for feed in catalogue.feeds}
        return replace(
            record,
            rejects={name: report.to_json() for name, report in news.rejects.items() if name in names},
            held={name: report.to_json() for name, report in news.held.items() if name in names},
        )

    async def _compare(self, before: int, version: int) -> None:
        """Add to a version's record what it changed."""
        versions = self._versions
        try:
            changes = await self._compare_files(versions.ruleset(before), versions.ruleset(version))
            record = versions.record(version)
            if record is not None:
                path = versions.record_path(version)
                await asyncio.to_thread(replace(record, difference=_difference(before, changes)).write, path)
        except (RulesetError, OSError) as error:
            log.warning("What version %d changed is not known: %s.", version, error)


def _contradictions(like: Ruleset) -> Contradictions:
    """Return the contradictions in a ruleset, which may be closed meanwhile."""
    ruleset = Ruleset.open(like.path, verify=False, like=like)
    try:
        return contradictions(ruleset)
    finally:
        ruleset.close()


def _difference(before: int, changes: Changes) -> Difference:
    return Difference(before, changes.added, changes.removed, changes.changed)
