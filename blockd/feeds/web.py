"""A list at an http or https URL, fetched only if it has changed, within limits of size and time."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from blockd import __version__
from blockd.errors import FeedRefused, FeedUnreachable, cause_of
from blockd.feeds.fetched import INCOMING, Fetched, Validators
from blockd.feeds.http import answers
from blockd.feeds.http.access import Access
from blockd.feeds.http.answers import GONE, REDIRECTS, place_of
from blockd.feeds.http.origin import origin_of
from blockd.feeds.http.session import CheckedSession
from blockd.feeds.http_causes import http_cause
from blockd.files import replacing
from blockd.formats.packed.forms import HEAD, Unpacking, is_packed, unpacking_of_coding
from blockd.printable import unproved
from blockd.settings import shown_place

TOTAL = 21_600.0  # seconds for one fetch with its redirects: the most that `limits.fetch_time` may say
STALL = 30.0  # seconds without a byte, or without a connection
MAX_REDIRECTS = 5
_PIECE = 64 * 1024  # octets taken from the connection at a time

ReadAccess = Callable[[], Access]
"""Returns how a feed's servers are reached, with its secrets as they are now; raises FeedRefused("key"). Blocks."""


class WebSource:
    """Fetches one URL; each fetch has its own session, so they share no state.

    With `as_published` the octets are those of the server's file, as needed to verify a signature: the server is asked
    not to compress them, and a compressed file is kept as it is, whatever its Content-Encoding. `trusted` has
    certificates in PEM that are trusted in place of the system's.
    """

    def __init__(
        self,
        url: str,
        max_size: int,
        access: ReadAccess | None = None,
        *,
        as_published: bool = False,
        total: float = TOTAL,
        stall: float = STALL,
        trusted: str | None = None,
    ) -> None:
        self._url = url
        self._shown = shown_place(url)
        self._max_size = max_size
        self._access = access or (lambda: Access.to(url))
        self._as_published = as_published
        self._total = total
        self._stall = stall
        self._trusted = trusted

    async def fetch(self, folder: Path, previous: Validators) -> Fetched | None:
        """Fetch to `folder`/incoming, unpacked if the server sent it with a Content-Encoding that is read.

        Returns None if the content has not changed since `previous`. Raises FeedRefused: missing (404, 410), cut (less
        than announced was received, or it ends in a line and nothing proves it whole), too large (over `max_size`
        octets when unpacked), format (another encoding, or a damaged one), key (a secret cannot be used); and
        FeedUnreachable for everything else. There is no `incoming` after an error.
        """
        incoming = folder / INCOMING
        incoming.unlink(missing_ok=True)
        access = await asyncio.to_thread(self._access)
        session = CheckedSession(access)
        try:
            async with asyncio.timeout(self._total), session:
                return await self._fetch(session, access, incoming, previous)
        except aiohttp.ClientPayloadError as error:
            raise FeedRefused(
                "cut", f"{self._shown} ended before it was complete: nothing of it is taken. It is fetched again."
            ) from error
        except aiohttp.ServerTimeoutError as error:
            raise self._unreachable(f"sent nothing for {self._stall:g} seconds") from error
        except TimeoutError as error:
            raise self._unreachable(f"took longer than {self._total:g} seconds") from error
        except (aiohttp.ClientError, ConnectionError, ValueError) as error:
            raise self._unreachable(session.refusal or http_cause(error)) from error
        except OSError as error:
            raise FeedRefused(
                "fault", f"{incoming} cannot be written ({cause_of(error)}): nothing is taken."
            ) from error

    async def _fetch(
        self, session: CheckedSession, access: Access, incoming: Path, previous: Validators
    ) -> Fetched | None:
        async with self._response(session, access, previous) as (response, place):
            is_asked = place == previous.source and bool(previous.etag or previous.last_modified)
            if response.status == 304 and is_asked:
                if answers.is_same(previous, response.headers):
                    return None
                again = True  # it is about another version than the one that was asked about
            else:
                again = False
                fetched = await self._take(response, place, incoming)
        return await self._fetch(session, access, incoming, Validators()) if again else fetched

    async def _take(self, response: aiohttp.ClientResponse, place: str, incoming: Path) -> Fetched:
        if response.status in GONE:
            raise FeedRefused(
                "missing", f"{self._shown} is not there ({response.status}): nothing is taken. Check its URL."
            )
        if response.status != 200:
            wait = answers.retry_after(response.status, response.headers)
            raise self._unreachable(f"answers {answers.status_words(response.status)}", wait)
        if "Content-Range" in response.headers:
            raise self._unreachable("sends a part of the list (Content-Range), though it was asked for the whole")
        unpackings = self._unpackings(response)
        if not unpackings and (response.content_length or 0) > self._max_size:
            raise self._too_large()
        digest = hashlib.sha256()
        size = 0
        first = last = b""
        with replacing(incoming) as file:
            async for piece in self._content(response, unpackings):
                size += len(piece)
                if size > self._max_size:
                    raise self._too_large()
                digest.update(piece)
                file.write(piece)
                first = first or piece[:HEAD]
                last = piece[-1:]
            is_proved = self._as_published or bool(unpackings) or _is_framed(response) or is_packed(first)
            if not is_proved and last not in (b"", b"\n"):
                raise FeedRefused(
                    "cut",
                    f"{self._shown} ends in the middle of a line, and its server did not say how long it is: nothing "
                    "of it is taken. It is fetched again; have the server send a Content-Length, or end the last line.",
                )
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())  # slow, so it must not block the event loop
        return Fetched(
            incoming,
            digest.hexdigest(),
            answers.time_of(response.headers.get("Last-Modified", "")),
            Validators.from_headers(response.headers, place),
        )

    @asynccontextmanager
    async def _response(
        self, session: CheckedSession, access: Access, previous: Validators
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """Request the URL and follow at most MAX_REDIRECTS redirects, never from https to anything else.

        Yields the response, and the place that its validators belong to: `previous` is sent only there.
        """
        limits = aiohttp.ClientTimeout(total=None, connect=self._stall, sock_read=self._stall)
        url = URL(self._url)
        seen = {url}
        for _ in range(MAX_REDIRECTS + 1):
            origin, place = origin_of(str(url)), place_of(self._url, str(url))
            if access.proxy and (refusal := access.reach.refusal_of_host(origin)):
                raise self._unreachable(refusal)
            headers = {"User-Agent": f"blockd/{__version__}", **access.headers_for(origin)}
            headers["Accept-Encoding"] = "identity" if self._as_published else "gzip"
            if previous.source == place and previous.etag:
                headers["If-None-Match"] = previous.etag
            if previous.source == place and previous.last_modified:
                headers["If-Modified-Since"] = previous.last_modified
            tls = {}
            if origin[0] == "https":
                tls["ssl"] = await asyncio.to_thread(access.tls_for, origin, self._trusted)
            async with session.get(url, origin, headers=headers, timeout=limits, **tls) as response:
                session.refusal = ""  # of another address of the same name
                if response.status not in REDIRECTS:
                    yield response, place
                    return
                location = response.headers.get("Location", "")
                if not location:
                    raise self._unreachable(f"answers {response.status}, and does not say where it redirects to")
                target = url.join(URL(location))
            if target.scheme not in ("http", "https") or (url.scheme == "https" and target.scheme != "https"):
                raise self._unreachable(f"redirects to {unproved(shown_place(str(target)))}, which is not followed")
            url = target
            is_circle = url in seen
            seen.add(url)
        how = ", in a circle" if is_circle else ""
        raise self._unreachable(f"redirects more than {MAX_REDIRECTS} times{how}")

    def _unpackings(self, response: aiohttp.ClientResponse) -> list[Unpacking]:
        """Return what undoes the body's codings, in this order; raises FeedRefused("format") for those not read."""
        if self._as_published:
            return []
        try:
            codings = answers.codings_of(response.headers.get("Content-Encoding", ""))
        except ValueError as error:
            raise FeedRefused("format", f"{self._shown} is sent {error}: nothing of it is taken.") from error
        return [unpacking_of_coding(coding, self._shown) for coding in codings]

    async def _content(self, response: aiohttp.ClientResponse, unpackings: list[Unpacking]) -> AsyncIterator[bytes]:
        """Yield the body, unpacked here in bounded pieces, so that a small body cannot fill memory."""
        async for received in response.content.iter_chunked(_PIECE):
            for piece in _unpacked(received, unpackings):
                yield piece
        if not all(unpacking.complete for unpacking in unpackings):
            raise FeedRefused("cut", f"{self._shown} ended in the middle of its packed body: nothing of it is taken.")

    def _too_large(self) -> FeedRefused:
        return FeedRefused(
            "too large",
            f"{self._shown} is larger than {self._max_size:,} bytes, the feed's limit: nothing of it "
            "is taken. Raise the feed's max_size if the list is really that large.",
        )

    def _unreachable(self, cause: str, wait: float | None = None) -> FeedUnreachable:
        cause = cause.removesuffix(".")
        return FeedUnreachable(f"{self._shown} {cause}: nothing is taken, and it is tried again.", wait)


def _unpacked(data: bytes, unpackings: list[Unpacking]) -> Iterator[bytes]:
    if not unpackings:
        yield data
        return
    for piece in unpackings[0].feed(data):
        yield from _unpacked(piece, unpackings[1:])


def _is_framed(response: aiohttp.ClientResponse) -> bool:
    """Return whether the end of a response's body is known: without it aiohttp says that less was received."""
    coding = response.headers.get("Transfer-Encoding", "").lower()
    return "Content-Length" in response.headers or coding.endswith("chunked")
