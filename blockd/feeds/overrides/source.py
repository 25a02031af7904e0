"""The file of local overrides as a source."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.fetched import ACCEPTED, INCOMING, Fetched, Validators
from blockd.feeds.overrides.file import FILE, STAYS, overrides_from, read_octets
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.feeds.source import FeedSource
from blockd.settings import OverridesFeed


class OverridesSource(FeedSource):
    """The file of `feed`, polled for changes."""

    def __init__(self, feed: OverridesFeed, folder: Path) -> None:
        super().__init__(feed, folder)
        self._path = feed.path
        self._digest = ""

    async def poll(self) -> Fetched | None:
        """Return new content as a bundle; None if there is none. Raises FeedRefused."""
        return await asyncio.to_thread(self.look)

    def forget(self, validators: Validators) -> None:
        """Read the file again, though it has not changed."""
        super().forget(validators)
        self._digest = ""

    def look(self) -> Fetched | None:
        """Do what `poll` does, blocking."""
        octets = read_octets(self._path)
        if octets is None:
            if (self.folder / ACCEPTED).exists():
                raise FeedRefused("missing", f"{self._path} is gone. {STAYS}")
            return None
        digest = hashlib.sha256(octets).hexdigest()
        if digest == self._digest:
            return None
        overrides = overrides_from(octets, self._path)
        documents = tuple(override.document() for override in overrides)
        bundle = self.folder / INCOMING
        write_bundle(SignedVersion(0, 0, 0, documents, digest), bundle)
        self._digest = digest
        changed = max((max(one.created, one.ended or 0) for one in overrides), default=0)
        published = self._path.stat().st_mtime
        return Fetched(bundle, digest, changed or None, published=published, evidence={FILE: octets})
