"""A signed feed as a source: its repository with all its mirrors, fetched in a thread."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import ClassVar

from blockd.errors import FeedRefused, cause_of
from blockd.feeds.fetched import INCOMING, Fetched, Validators
from blockd.feeds.http.access import Access
from blockd.feeds.signed.bundle import AuthorityVersion, RefusedOrder, write_bundle
from blockd.feeds.signed.list_texts import LISTS, NameLists
from blockd.feeds.signed.mirrors import Mirrors
from blockd.feeds.signed.repository import SignedRepository
from blockd.feeds.source import FeedSource
from blockd.settings import SignedFeed


class SignedSource(FeedSource):
    """The repository of `feed`, with all its mirrors."""

    has_many_files: ClassVar[bool] = True

    def __init__(self, feed: SignedFeed, folder: Path) -> None:
        super().__init__(feed, folder)
        self._feed = feed
        self._authorities: tuple[AuthorityVersion, ...] = ()
        self._refused_orders: tuple[RefusedOrder, ...] = ()
        self._repository: SignedRepository | None = None
        self._mirrors: Mirrors | None = None
        self._digest = ""

    @property
    def authorities(self) -> tuple[AuthorityVersion, ...]:
        """The authorities that the repository delegates to, with their versions."""
        return self._authorities

    @property
    def refused_orders(self) -> tuple[RefusedOrder, ...]:
        """The orders that were refused alone, by the last poll."""
        return self._refused_orders

    @property
    def mirrors(self) -> list[dict[str, object]]:
        """The repository's URLs, if there are several, as JSON values: `url`, `leads`, `reason` and `refusal`."""
        return self._mirrors.to_json() if self._mirrors is not None and self._feed.mirrors else []

    async def poll(self) -> Fetched | None:
        """Return new content, or None if there is none; raises FeedRefused."""
        return await asyncio.to_thread(self._fetch)

    def forget(self, validators: Validators) -> None:
        """Return the version that was returned last again."""
        super().forget(validators)
        self._digest = ""

    def _fetch(self) -> Fetched | None:
        if self._repository is None or self._mirrors is None:
            try:
                root = self._feed.root.read_bytes()
            except OSError as error:
                raise FeedRefused(
                    "missing", f"The root of trust {self._feed.root} cannot be read: {cause_of(error)}."
                ) from error
            self._repository = SignedRepository(
                self._feed.url,
                root,
                self.folder,
                texts=NameLists(self.folder / LISTS),
                access=partial(Access.of, self._feed),
            )
            self._mirrors = Mirrors(self._feed.name, self._repository, (self._feed.url, *self._feed.mirrors))
        version = self._mirrors.fetch()
        self.expires, self._authorities = version.expires, version.authorities
        self._refused_orders = version.refused
        if version.digest == self._digest:
            return None
        bundle = self.folder / INCOMING
        write_bundle(version, bundle)
        evidence = self._repository.evidence()
        self._digest = version.digest
        published = [document.order.published or 0 for document in version.documents]
        source_time = max(published, default=0) or None
        return Fetched(bundle, version.digest, source_time, published=version.published, evidence=evidence)
