"""A list at an http or https URL, fetched only if it has changed, within limits of size and time."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
from yarl import URL

from blockd import __version__
from blockd.errors import FeedRefused, FeedUnreachable, cause_of
from blockd.feeds.fetched import INCOMING, Fetched, Validators
from blockd.feeds.http_causes import http_cause
from blockd.files import replacing
from blockd.formats.gunzip import Gunzip
from blockd.settings import shown_place

TOTAL = 21_600.0  # seconds for one fetch with its redirects: the most that `limits.fetch_time` may say
STALL = 30.0  # seconds without a byte, or without a connection
MAX_REDIRECTS = 5
MAX_SHOWN = 200  # characters of an address that a server redirects to
_PIECE = 64 * 1024  # octets taken from the connection at a time
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)

SessionFactory = Callable[[], aiohttp.ClientSession]


class WebSource:
    """Fetches one URL; each fetch has its own session, so they share no state.

    With `as_published` the octets are those of the server's file, as needed to verify a signature: the server is asked
    not to compress them, and a compressed file is kept as it is, whatever its Content-Encoding.
    """

    def __init__(
        self,
        url: str,
        max_size: int,
        session_factory: SessionFactory = aiohttp.ClientSession,
        *,
        as_published: bool = False,
        total: float = TOTAL,
        stall: float = STALL,
    ) -> None:
        self._url = url
        self._shown = shown_place(url)
        self._max_size = max_size
        self._session_factory = session_factory
        self._as_published = as_published
        self._total = total
        self._stall = stall

    async def fetch(self, folder: Path, previous: Validators) -> Fetched | None:
        """Fetch to `folder`/incoming, unpacked if the server sent it with Content-Encoding gzip.

        Returns None if the content has not changed since `previous`. Raises FeedRefused: missing (404, 410), cut (less
        than announced was received), too large (over `max_size` octets when unpacked), format (another encoding, or a
        damaged one); and FeedUnreachable for everything else. There is no `incoming` after an error.
        """
        incoming = folder / INCOMING
        incoming.unlink(missing_ok=True)
        try:
            async with asyncio.timeout(self._total):
                return await self._fetch(incoming, previous)
        except aiohttp.ClientPayloadError as error:
            raise FeedRefused(
                "cut", f"{self._shown} ended before it was complete: nothing of it is taken. It is fetched again."
            ) from error
        except aiohttp.ServerTimeoutError as error:
            raise self._unreachable(f"sent nothing for {self._stall:g} seconds") from error
        except TimeoutError as error:
            raise self._unreachable(f"took longer than {self._total:g} seconds") from error
        except (aiohttp.ClientError, ConnectionError, ValueError) as error:
            raise self._unreachable(http_cause(error)) from error
        except OSError as error:
            raise FeedRefused(
                "fault", f"{incoming} cannot be written ({cause_of(error)}): nothing is taken."
            ) from error

    async def _fetch(self, incoming: Path, previous: Validators) -> Fetched | None:
        async with self._session_factory() as session, self._response(session, previous) as response:
            if response.status == 304 and previous != Validators():
                return None
            if response.status in _GONE:
                raise FeedRefused(
                    "missing", f"{self._shown} is not there ({response.status}): nothing is taken. Check its URL."
                )
            if response.status != 200:
                raise self._unreachable(f"answers {_status(response.status)}")
            digest = hashlib.sha256()
            size = 0
            with replacing(incoming) as file:
                async for piece in self._content(response):
                    size += len(piece)
                    if size > self._max_size:
                        raise FeedRefused(
                            "too large",
                            f"{self._shown} is larger than {self._max_size:,} bytes, the feed's limit: nothing of it "
                            "is taken. Raise the feed's max_size if the list is really that large.",
                        )
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())  # slow, so it must not block the event loop
            return Fetched(
                incoming,
                digest.hexdigest(),
                _time(response.headers.get("Last-Modified", "")),
                Validators.from_headers(response.headers),
            )

    @asynccontextmanager
    async def _response(
        self, session: aiohttp.ClientSession, previous: Validators
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Request the URL and follow at most MAX_REDIRECTS redirects, never from https to anything else."""
        headers = {"User-Agent": f"blockd/{__version__}", "Accept-Encoding": "gzip"}
        if self._as_published:
            headers["Accept-Encoding"] = "identity"
        if previous.etag:
            headers["If-None-Match"] = previous.etag
        if previous.last_modified:
            headers["If-Modified-Since"] = previous.last_modified
        limits = aiohttp.ClientTimeout(total=None, connect=self._stall, sock_read=self._stall)
        url = URL(self._url)
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(
                url, headers=headers, timeout=limits, allow_redirects=False, auto_decompress=False
            ) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                target = url.join(URL(response.headers.get("Location", "")))
            if target.scheme not in ("http", "https") or (url.scheme == "https" and target.scheme != "https"):
                raise self._unreachable(f"redirects to {shown_place(str(target))[:MAX_SHOWN]}, which is not followed")
            url = target
        raise self._unreachable(f"redirects more than {MAX_REDIRECTS} times")

    async def _content(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the body, unpacked here in bounded pieces, so that a small body cannot fill memory."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        pieces = response.content.iter_chunked(_PIECE)
        if encoding in ("gzip", "x-gzip") and not self._as_published:
            gunzip = Gunzip(self._shown)
            async for packed in pieces:
                for piece in gunzip.feed(packed):
                    yield piece
            if not gunzip.complete:
                raise FeedRefused("cut", f"{self._shown} ended in the middle of its gzip body: nothing of it is taken.")
        elif encoding in ("", "identity", "gzip", "x-gzip"):
            async for piece in pieces:
                yield piece
        else:
            raise FeedRefused("format", f"{self._shown} is encoded in a way that was not asked for: nothing is taken.")

    def _unreachable(self, cause: str) -> FeedUnreachable:
        return FeedUnreachable(f"{self._shown} {cause}: nothing is taken, and it is tried again.")


def _status(status: int) -> str:
    """Return a status code in words of our own: the server's reason phrase is its own text."""
    if status in (401, 403, 407):
        return f"that this machine may not fetch it ({status})"
    if status == 429:
        return f"that it was asked too often ({status})"
    return f"with an error of its own ({status})" if status >= 500 else f"with {status}, not with the list"


def _time(header: str) -> int | None:
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except (ValueError, OverflowError, OSError):
        return None
