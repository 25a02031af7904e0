"""Fetching every feed of a config once, without a daemon and without touching its state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from blockd.daemon.update.dry_run import with_progress
from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.kinds import open_source
from blockd.ruleset.building.compiler import Progress, no_progress
from blockd.settings import Feed


def fetched(
    feeds: Sequence[Feed], folder: Path, progress: Progress = no_progress
) -> tuple[list[Candidate], dict[str, FeedRefused]]:
    """Fetch the feeds into `folder`; return those that succeeded, and why the others failed."""
    results = asyncio.run(_all(feeds, folder, progress))
    candidates = []
    refused = {}
    for feed, result in zip(feeds, results, strict=True):
        if isinstance(result, FeedRefused):
            refused[feed.name] = result
        elif result is not None:
            candidates.append(Candidate(feed, Content(result.path, result.digest, feed.shown_place), None))
    return candidates, refused


async def _all(feeds: Sequence[Feed], folder: Path, progress: Progress) -> list[Fetched | FeedRefused | None]:
    return await with_progress([_one(feed, folder / feed.name) for feed in feeds], progress)


async def _one(feed: Feed, folder: Path) -> Fetched | FeedRefused | None:
    try:
        return await open_source(feed, folder, Validators()).poll()
    except FeedRefused as refused:
        return refused
