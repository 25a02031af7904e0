"""A signed feed as a source: its repository with all its mirrors, looked at in a thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.fetched import INCOMING, Fetched
from blockd.feeds.signed.bundle import AuthorityVersion, write_bundle
from blockd.feeds.signed.list_texts import LISTS, NameLists
from blockd.feeds.signed.mirrors import Mirrors
from blockd.feeds.signed.repository import SignedRepository
from blockd.settings import SignedFeed


class SignedSource:
    """The repository of `feed`, with `folder` of its own on disk.

    `expires` is when what was seen last expires, in seconds since the epoch, None before anything was; `authorities`
    are those that it delegates to; `mirrors` are its places and why they are refused, where there is more than one.
    """

    def __init__(self, feed: SignedFeed, folder: Path) -> None:
        self.expires: int | None = None
        self.authorities: tuple[AuthorityVersion, ...] = ()
        self._feed = feed
        self._folder = folder
        self._repository: SignedRepository | None = None
        self._mirrors: Mirrors | None = None
        self._digest = ""

    @property
    def mirrors(self) -> list[dict[str, object]]:
        """Give them as plain values: `url`, `leads`, `reason` and `refusal`."""
        return self._mirrors.to_json() if self._mirrors is not None and self._feed.mirrors else []

    async def look(self) -> Fetched | None:
        """Give new content in the folder as `incoming`, or None where there is none. Raises FeedRefused."""
        return await asyncio.to_thread(self._fetch)

    def _fetch(self) -> Fetched | None:
        if self._repository is None or self._mirrors is None:
            try:
                root = self._feed.root.read_bytes()
            except OSError as error:
                raise FeedRefused("missing", f"The root of trust {self._feed.root} cannot be read: {error}.") from error
            self._repository = SignedRepository(
                self._feed.url, root, self._folder, texts=NameLists(self._folder / LISTS)
            )
            self._mirrors = Mirrors(self._feed.name, self._repository, (self._feed.url, *self._feed.mirrors))
        version = self._mirrors.fetch()
        self.expires, self.authorities = version.expires, version.authorities
        if version.digest == self._digest:
            return None
        bundle = self._folder / INCOMING
        write_bundle(version, bundle)
        evidence = self._repository.evidence()
        self._digest = version.digest
        published = [document.order.published or 0 for document in version.documents]
        source_time = max(published, default=0) or None
        return Fetched(bundle, version.digest, source_time, published=version.published, evidence=evidence)
