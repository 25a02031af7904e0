"""What a refresh would change: fetched and compiled as the daemon does it, in a temporary folder.

The state folder is read and never written, so that a dry run works beside a running daemon or without one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.daemon.results import FeedOutcome
from blockd.daemon.update.feed_state import FeedState
from blockd.errors import CommandError, FeedRefused, cause_of
from blockd.feeds.fetched import REFUSED, Fetched
from blockd.feeds.kinds import kind_of, open_source
from blockd.feeds.overrides.file import FILE as OVERRIDES_FILE
from blockd.files import open_kept
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.building.compiler import Progress
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Feed, OverridesFeed, Settings

STAGE = "fetching feeds"  # as a bar calls it
Result = TypeVar("Result")

_TRUSTED = ("trusted", "orders")  # what a signed feed needs of its folder to know that a list is older


@dataclass(frozen=True, slots=True)
class DryRun:
    """Result of a dry run; `compiled` is None if nothing could be compiled."""

    compiled: Path | None
    built: Built
    refused: Mapping[str, FeedRefused]

    @property
    def made_from(self) -> str:
        """The fingerprint of what was compiled."""
        return self.built.made_from

    @property
    def held(self) -> Mapping[str, GuardReport]:
        """What the gate holds back, by feed."""
        return self.built.held

    @property
    def lost(self) -> frozenset[str]:
        """Feeds whose content can no longer be read."""
        return frozenset(self.built.lost)

    def outcomes(self, names: Iterable[str]) -> dict[str, FeedOutcome]:
        """Return the outcome of these feeds, and of every other that was refused or lost."""
        return {name: self._outcome(name) for name in dict.fromkeys([*names, *self.refused, *self.lost])}

    def _outcome(self, name: str) -> FeedOutcome:
        if name in self.refused:
            return FeedOutcome("refused", str(self.refused[name]))
        if name in self.built.lost:
            return FeedOutcome("refused", "its last accepted content can no longer be read")
        return FeedOutcome("new" if name in self.built.taken else "unchanged")


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
    states = _states(settings)
    chosen = [feed for feed in settings.feeds if not names or feed.name in names]
    refused: dict[str, FeedRefused] = {}
    fetched: dict[str, Fetched] = {}
    for feed, result in zip(chosen, asyncio.run(_polled(chosen, states, folder, progress)), strict=True):
        if isinstance(result, FeedRefused):
            refused[feed.name] = result
        elif result is not None and result.digest != states[feed.name].accepted_digest:
            fetched[feed.name] = result
    compiled = folder / "compiled"
    built = _built(settings, states, fetched, compiled, now, gate=gate, in_force=in_force, progress=progress)
    return DryRun(compiled if built.header else None, built, refused | built.refused)


def accepted_run(
    settings: Settings,
    name: str,
    digest: str,
    folder: Path,
    *,
    gate: Gate,
    in_force: Catalogue | None,
    progress: Progress,
) -> DryRun:
    """Compile in `folder` what would be enforced if an operator accepted the refused content of a feed.

    Raises CommandError if the content in the state folder is not the one with that SHA-256.
    """
    now = time.time()
    states = _states(settings)
    feed = next(feed for feed in settings.feeds if feed.name == name)
    kept, compiled = states[name].folder / REFUSED, folder / "compiled"
    fetched = {name: Fetched(kept, digest, None, waived=True)}
    _must_be(kept, digest, feed)
    built = _built(settings, states, fetched, compiled, now, gate=gate, in_force=in_force, progress=progress)
    _must_be(kept, digest, feed)  # the daemon may have replaced it meanwhile
    return DryRun(compiled if built.header else None, built, built.refused)


def _must_be(kept: Path, digest: str, feed: Feed) -> None:
    """Raise CommandError if a feed's content is not the one with that SHA-256; a bundle's is checked by the daemon."""
    try:
        with open_kept(kept) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise CommandError(
            f"The refused content of feed {feed.name} is gone. Nothing was changed. Ask again."
        ) from error
    except OSError as error:
        raise CommandError(f"{kept} cannot be read ({error.strerror}). Nothing was changed.") from error
    if found != digest and not kind_of(feed).proves_itself:
        raise CommandError(
            f"The refused content of feed {feed.name} has changed meanwhile. Nothing was changed. Ask again."
        )


def _states(settings: Settings) -> dict[str, FeedState]:
    return {feed.name: FeedState.load(settings.state_dir / "feeds" / feed.name) for feed in _feeds(settings)}


def _feeds(settings: Settings) -> list[Feed]:
    """Return the feeds of a daemon: those of the config, and the overrides."""
    return [*settings.feeds, OverridesFeed(path=settings.state_dir / OVERRIDES_FILE)]


def _built(
    settings: Settings,
    states: Mapping[str, FeedState],
    fetched: Mapping[str, Fetched],
    compiled: Path,
    now: float,
    *,
    gate: Gate,
    in_force: Catalogue | None,
    progress: Progress,
) -> Built:
    """Compile what was fetched beside the accepted content of the other feeds."""
    return build(
        [states[feed.name].candidate(feed, fetched.get(feed.name), now) for feed in _feeds(settings)],
        compiled,
        gate=gate,
        in_force=in_force,
        created=int(now),
        randomness=os.urandom,
        progress=progress,
    )


async def _polled(
    feeds: Sequence[Feed], states: dict[str, FeedState], folder: Path, progress: Progress
) -> list[Fetched | FeedRefused | None]:
    polls = [_poll(feed, states[feed.name], folder / feed.name) for feed in feeds]
    return await with_progress(polls, progress)


async def with_progress(polls: Sequence[Coroutine[Any, Any, Result]], progress: Progress) -> list[Result]:
    """Await polls of feeds at the same time, and tell how many have ended; return their results in order."""
    done = 0

    async def counted(poll: Coroutine[Any, Any, Result]) -> Result:
        nonlocal done
        result = await poll
        done += 1
        progress(STAGE, done, len(polls))
        return result

    if polls:
        progress(STAGE, 0, len(polls))
    return list(await asyncio.gather(*map(counted, polls)))


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
        return FeedRefused(
            "fault", f"The state of feed {feed.name} in {state.folder} cannot be read: {cause_of(error)}."
        )
