"""What a refresh would change: fetched and compiled as the daemon does it, in a temporary folder.

The state folder is read and never written, so that a dry run works beside a running daemon or without one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockd.compile.build import build
from blockd.daemon.results import FeedOutcome
from blockd.daemon.update.feed_state import FeedState
from blockd.errors import CommandError, FeedRefused
from blockd.feeds.fetched import Fetched
from blockd.feeds.kinds import open_source
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.building.compiler import Progress
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Feed, Settings

_TRUSTED = ("trusted", "orders")  # what a signed feed needs of its folder to know that a list is older


@dataclass(frozen=True, slots=True)
class DryRun:
    """Result of a dry run; `built` and its file are None if nothing could be compiled."""

    compiled: Path | None
    made_from: str
    new: frozenset[str]  # feeds whose new content is in the file
    refused: Mapping[str, FeedRefused]
    held: Mapping[str, GuardReport]  # what the gate holds back, by feed
    lost: frozenset[str]  # feeds whose content can no longer be read

    def outcomes(self, names: Iterable[str]) -> dict[str, FeedOutcome]:
        """Return the outcome of these feeds, and of every other that was refused or lost."""
        return {name: self._outcome(name) for name in dict.fromkeys([*names, *self.refused, *self.lost])}

    def _outcome(self, name: str) -> FeedOutcome:
        if name in self.refused:
            return FeedOutcome("refused", str(self.refused[name]))
        if name in self.lost:
            return FeedOutcome("refused", "its last accepted content can no longer be read")
        return FeedOutcome("new" if name in self.new else "unchanged")


def dry_run(
    settings: Settings,
    names: Sequence[str],
    folder: Path,
    *,
    gate: Gate,
    in_force: Catalogue | None,
    progress: Progress,
) -> DryRun:
    """Fetch the feeds named, or all if none is named, and compile the whole in `folder`.

    Raises CommandError for a feed that is not configured.
    """
    configured = [feed.name for feed in settings.feeds]
    unknown = [name for name in names if name not in configured]
    if unknown:
        raise CommandError(f"There is no feed {unknown[0]!r}; configured are: {', '.join(configured) or 'none'}.")
    now = time.time()
    states = {feed.name: FeedState.load(settings.state_dir / "feeds" / feed.name, now) for feed in settings.feeds}
    chosen = [feed for feed in settings.feeds if not names or feed.name in names]
    refused: dict[str, FeedRefused] = {}
    fetched: dict[str, Fetched] = {}
    for feed, result in zip(chosen, asyncio.run(_polled(chosen, states, folder)), strict=True):
        if isinstance(result, FeedRefused):
            refused[feed.name] = result
        elif result is not None and result.digest != states[feed.name].accepted_digest:
            fetched[feed.name] = result
    candidates = [states[feed.name].candidate(feed, fetched.get(feed.name), now) for feed in settings.feeds]
    compiled = folder / "compiled"
    built = build(
        candidates,
        compiled,
        gate=gate,
        in_force=in_force,
        created=int(now),
        randomness=os.urandom,
        progress=progress,
    )
    return DryRun(
        compiled if built.header else None,
        built.made_from,
        frozenset(built.taken),
        refused | built.refused,
        built.held,
        frozenset(built.lost),
    )


async def _polled(
    feeds: Sequence[Feed], states: dict[str, FeedState], folder: Path
) -> list[Fetched | FeedRefused | None]:
    return list(await asyncio.gather(*(_poll(feed, states[feed.name], folder / feed.name) for feed in feeds)))


async def _poll(feed: Feed, state: FeedState, folder: Path) -> Fetched | FeedRefused | None:
    """Poll one feed as the daemon would, from the same state."""
    try:
        await asyncio.to_thread(folder.mkdir)
        for part in _TRUSTED:
            if (state.folder / part).is_dir():
                await asyncio.to_thread(shutil.copytree, state.folder / part, folder / part)
        return await open_source(feed, folder, state.validators).poll()
    except FeedRefused as refused:
        return refused
    except (OSError, shutil.Error) as error:
        return FeedRefused("fault", f"The state of feed {feed.name} in {state.folder} cannot be read: {error}.")
