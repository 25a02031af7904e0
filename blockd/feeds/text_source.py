"""A text as a source: its file watched, or its URL fetched, and verified if it has a detached signature."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from blockd.feeds.detached import ProvedFile, ProvedPage
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.file import FileSource
from blockd.feeds.http.access import Access
from blockd.feeds.source import FeedSource
from blockd.feeds.web import WebSource
from blockd.settings import TextFeed

SETTLING = 0.1  # seconds between two checks of a file that is still being written
MAX_SETTLING = 10.0  # seconds to wait for it; otherwise the next poll takes it


class TextSource(FeedSource):
    """The text of `feed`."""

    def __init__(self, feed: TextFeed, folder: Path, validators: Validators) -> None:
        super().__init__(feed, folder, validators)
        self._watched: FileSource | None = None
        self._fetch = self._file(feed.path, feed) if feed.path is not None else self._web(feed)

    async def poll(self) -> Fetched | None:
        """Return new content, or None if there is none; raises FeedRefused."""
        return await self._fetch()

    def forget(self, validators: Validators) -> None:
        """Copy the file again though it has not changed, or fetch again what is newer than the accepted content."""
        super().forget(validators)
        if self._watched is not None:
            self._watched.forget()

    def _file(self, path: Path, feed: TextFeed) -> Callable[[], Awaitable[Fetched | None]]:
        plain = self._watched = FileSource(path, feed.max_size, time.monotonic)
        source = plain if feed.signature is None else ProvedFile(plain, path, feed.signature)

        async def fetch() -> Fetched | None:
            deadline = time.monotonic() + MAX_SETTLING
            while True:
                fetched = await asyncio.to_thread(source.poll, self.folder)
                if fetched is not None or not source.settling or time.monotonic() > deadline:
                    return fetched
                await asyncio.sleep(SETTLING)

        return fetch

    def _web(self, feed: TextFeed) -> Callable[[], Awaitable[Fetched | None]]:
        url = feed.url or ""
        access = partial(Access.of, feed)
        plain = WebSource(url, feed.max_size, access, as_published=feed.signature is not None)
        source = plain if feed.signature is None else ProvedPage(plain, url, feed.signature, access)
        return lambda: source.fetch(self.folder, self.validators)
