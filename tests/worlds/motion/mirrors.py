"""Two mirrors of one repository, any of which may be slow, dead or lying, and the signed feed that polls them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError

from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.list_texts import LISTS, NameLists
from blockd.feeds.signed.mirrors import Mirrors
from blockd.feeds.signed.repository import SignedRepository
from blockd.feeds.signed.source import SignedSource
from blockd.settings import SignedFeed
from tests.feeds.tuf.repository import Repository

FAULTS = ("dead", "silent", "frozen", "garbage", "forged", "cut", "without-orders", "altered-orders")
WAITED = 1.5  # simulated seconds that a poll takes in which a silent mirror was waited for: a little over its patience
GIVEN_UP = 10.0  # seconds after which a silent mirror ends a file that nobody else gives


class Mirror:
    """One mirror at `url`; `fault` is one of FAULTS, empty for a good one."""

    def __init__(self, url: str, repository: Repository) -> None:
        self.url = url
        self.repository = repository
        self.fault = ""
        self.was_waited_for = False
        self.released = threading.Event()  # set once a poll is over
        self._kept: dict[str, bytes] = {}

    def begin(self, fault: str) -> None:
        """Have the mirror misbehave from now on, or be good again; a frozen one keeps what it has now."""
        self.fault = fault
        self._kept = dict(self.repository.files)

    def content(self, path: str) -> bytes:
        """Return what the mirror sends; raises KeyError, or DownloadError."""
        files = self._kept if self.fault == "frozen" else self.repository.files
        is_order, content = path.startswith("targets/"), files[path]
        if self.fault == "dead":
            raise DownloadError("the connection was refused")
        if self.fault == "without-orders" and is_order:
            raise KeyError(path)
        if self.fault == "garbage":
            return b"<html>It works!</html>"
        if self.fault == "cut":
            return content[: len(content) // 2]
        if self.fault == "forged" and path == "metadata/timestamp.json":
            return content.replace(b'"sig":"', b'"sig":"00')
        return content + b" " if self.fault == "altered-orders" and is_order else content


class MirrorFetcher(BoundedFetcher):
    """Fetches from `mirrors` in memory."""

    def __init__(self, mirrors: Sequence[Mirror]) -> None:
        super().__init__()
        self._mirrors = mirrors

    def _http(self, url: str, deadline: float) -> Generator[bytes, None, None]:
        mirror = next(mirror for mirror in self._mirrors if url.startswith(f"{mirror.url}/"))
        if mirror.fault == "silent":
            mirror.was_waited_for = True
            self._wait(mirror)
            raise SlowRetrievalError(f"{url} took too long")
        try:
            yield mirror.content(url.removeprefix(f"{mirror.url}/"))
        except KeyError as error:
            raise DownloadHTTPError(f"{url} was answered with 404", 404) from error

    def _wait(self, mirror: Mirror) -> None:
        """Wait until the poll is over or the connection is cut, since another mirror was faster."""
        for _ in range(round(GIVEN_UP / 0.01)):
            if self.connections.is_cut or mirror.released.wait(0.01):
                return


class MirroredSource(SignedSource):
    """The signed feed, whose mirrors are simulated."""

    def __init__(
        self, feed: SignedFeed, folder: Path, mirrors: Sequence[Mirror], now: Callable[[], float],
        passed: Callable[[], float],
    ) -> None:  # fmt: skip
        super().__init__(feed, folder)
        self._repository = SignedRepository(
            feed.url,
            feed.root.read_bytes(),
            folder,
            now=now,
            fetcher=lambda: MirrorFetcher(mirrors),
            texts=NameLists(folder / LISTS),
        )
        self._mirrors = Mirrors(feed.name, self._repository, [mirror.url for mirror in mirrors], passed)
