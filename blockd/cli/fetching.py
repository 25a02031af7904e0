"""Fetching every feed of a config once, without a daemon and without touching its state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.kinds import open_source
from blockd.ruleset.building.compiler import Progress, no_progress
from blockd.settings import Feed

STAGE = "fetching feeds"


def fetched(
    feeds: Sequence[Feed], folder: Path, progress: Progress = no_progress
) -> tuple[list[Candidate], dict[str, FeedRefused]]:
    """Fetch the feeds into `folder`; return those that succeeded, and why the others failed."""
    results = asyncio.run(_all(feeds, folder, progress))
    now = int(time.time())
    candidates = []
    refused = {}
    for feed, result in zip(feeds, results, strict=True):
        if isinstance(result, FeedRefused):
            refused[feed.name] = result
        elif result is not None:
            candidates.append(Candidate(feed, Content(result.path, result.digest, feed.shown_place), None, now))
    return candidates, refused


async def _all(feeds: Sequence[Feed], folder: Path, progress: Progress) -> list[Fetched | FeedRefused | None]:
    done = 0

    async def counted(feed: Feed) -> Fetched | FeedRefused | None:
        nonlocal done
        found = await _one(feed, folder / feed.name)
        done += 1
        progress(STAGE, done, len(feeds))
        return found

    if feeds:
        progress(STAGE, 0, len(feeds))
    return list(await asyncio.gather(*map(counted, feeds)))


async def _one(feed: Feed, folder: Path) -> Fetched | FeedRefused | None:
    try:
        return await open_source(feed, folder, Validators()).poll()
    except FeedRefused as refused:
        return refused
