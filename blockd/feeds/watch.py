"""Watching one feed, whatever its source: look, and say whether there is something new."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from blockd.feeds.detached import ProvedFile, ProvedPage
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.file import FileSource
from blockd.feeds.overrides.file import OverridesFile
from blockd.feeds.signed.bundle import AuthorityVersion
from blockd.feeds.signed.source import SignedSource
from blockd.feeds.transfer.source import TransferSource
from blockd.feeds.web import WebSource
from blockd.settings import AnyFeed, OverridesFeed, SignedFeed, TextFeed, TransferFeed

SETTLING = 0.1  # seconds between two looks at a file that is still being written
MAX_SETTLING = 10.0  # seconds to wait for it; the next look takes it otherwise


class Watch:
    """One feed's source, with `folder` of its own on disk.

    `expires` is when what was seen last expires, in seconds since the epoch; None where it names no end.
    """

    def __init__(self, feed: AnyFeed, folder: Path, validators: Validators) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.feed = feed
        self.validators = validators
        self.expires: int | None = None
        self._folder = folder
        self._look: Callable[[], Awaitable[Fetched | None]]
        self._zone: TransferSource | None = None
        self._signed: SignedSource | None = None
        if isinstance(feed, SignedFeed):
            self._signed = SignedSource(feed, folder)
            self._look = self._signed.look
        elif isinstance(feed, OverridesFeed):
            source = OverridesFile(feed.path, folder)
            self._look = lambda: asyncio.to_thread(source.look)
        elif isinstance(feed, TransferFeed):
            self._zone = TransferSource(feed, folder, known=validators != Validators())
            self.expires = self._zone.expires
            self._look = self._zone.look
        elif feed.path is not None:
            self._look = self._file(feed.path, feed)
        else:
            self._look = self._web(feed)

    async def look(self) -> Fetched | None:
        """Give new content, in the folder as `incoming`, or None where there is none; raises FeedRefused."""
        try:
            fetched = await self._look()
        finally:
            if self._zone is not None:
                self.expires = self._zone.expires
            if self._signed is not None:
                self.expires = self._signed.expires
        if fetched is not None:
            self.validators = fetched.validators
        return fetched

    @property
    def authorities(self) -> tuple[AuthorityVersion, ...]:
        """What the authorities of a signed feed have given; empty for other feeds."""
        return self._signed.authorities if self._signed is not None else ()

    @property
    def mirrors(self) -> list[dict[str, object]]:
        """The places of a signed feed that has several, as plain values; empty for other feeds."""
        return self._signed.mirrors if self._signed is not None else []

    @property
    def interval(self) -> float:
        """Seconds until the next look: as the config says, or as a zone's timers do."""
        if isinstance(self.feed, TransferFeed):
            return self._zone.interval if self._zone else self.feed.min_refresh
        return self.feed.interval

    def _file(self, path: Path, feed: TextFeed) -> Callable[[], Awaitable[Fetched | None]]:
        plain = FileSource(path, feed.max_size, time.monotonic)
        source = plain if feed.signature is None else ProvedFile(plain, path, feed.signature)

        async def look() -> Fetched | None:
            deadline = time.monotonic() + MAX_SETTLING
            while True:
                fetched = await asyncio.to_thread(source.poll, self._folder)
                if fetched is not None or not source.settling or time.monotonic() > deadline:
                    return fetched
                await asyncio.sleep(SETTLING)

        return look

    def _web(self, feed: TextFeed) -> Callable[[], Awaitable[Fetched | None]]:
        url = feed.url or ""
        plain = WebSource(url, feed.max_size, as_published=feed.signature is not None)
        source = plain if feed.signature is None else ProvedPage(plain, url, feed.signature)
        return lambda: source.fetch(self._folder, self.validators)
