"""Fetching for signed repositories: `file:` and `http(s):` URLs, bounded in time.

TUF bounds the bytes of each file. A socket's timeout bounds one read only, so a server that sends a byte just before
each timeout would hold the reader for ever. So every file has a time limit, and every fetch too.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import stat
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from blockd import __version__
from blockd.errors import cause_of
from blockd.feeds.http.access import Access
from blockd.feeds.http.origin import origin_of
from blockd.feeds.http.reach import Reach
from blockd.feeds.http_causes import http_cause
from blockd.feeds.signed.connections import HttpConnections, NoConnection
from blockd.printable import unproved

FILE_SECONDS = 20.0  # for the smallest file
SLOWEST = 512 * 1024  # bytes a second; larger files get time in proportion
FETCH_SECONDS = 60.0  # for all files of one fetch, beside what each adds
EACH_SECONDS = 0.1  # that each file adds, beside the time for its size: it takes a round trip at least
CHUNK = 64 * 1024  # bytes read at once
MAX_REDIRECTS = 3
MAX_UNREAD = 64 * 1024  # bytes of an error's page, read so that the connection can be used again
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": f"blockd/{__version__}", "Accept-Encoding": "identity"}
_ENDS = 64  # bytes kept of a file's beginning and end, to tell a web page from metadata


class CutShort(DownloadError):
    """The server closed before the whole body was sent."""


class LookFetcher(FetcherInterface):
    """Fetches the files of one look at a repository.

    `first` and `last` are the first and last bytes of the file fetched last, to tell what kind of wrong file it was.
    `folder` has files until they are verified; the caller sets it. `limit` is the most bytes of a file, whatever length
    signed metadata say that it has; None for no other limit than that.
    """

    first: bytes = b""
    last: bytes = b""
    folder: Path | None = None
    limit: int | None = None

    def close(self) -> None:
        """Release what files that were not read to their ends still hold."""


class BoundedFetcher(LookFetcher):
    """Fetches from one server; `seconds` bounds all files together, `file_seconds` the smallest.

    `connections` are those that stay open; the caller sets them: without, every address is reached.
    """

    def __init__(
        self,
        seconds: float = FETCH_SECONDS,
        file_seconds: float = FILE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connections = HttpConnections(Access(Reach(is_open=True)))
        self._clock = clock
        self._deadline = clock() + seconds
        self._file_seconds = file_seconds
        self._has_stalled = False
        self._more = 0.0  # extra seconds for the size of the file being fetched
        self._open: Generator[bytes, None, None] | None = None

    def close(self) -> None:
        """Release what a file that was not read to its end still holds."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @contextlib.contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """Yield the file at `url`, of at most `max_length` bytes, which is on disk until the block ends."""
        with tempfile.TemporaryFile(dir=self.folder) as file:
            self.spool(url, max_length, file)
            yield file

    def spool(self, url: str, max_length: int, file: IO[bytes]) -> None:
        """Write the file at `url` to `file`, and go back to its beginning.

        It has at most `max_length` bytes, and at most `limit`, whatever length signed metadata give it.
        """
        if self.limit is not None and not max_length <= self.limit:  # which holds for what is no number, too
            max_length = self.limit
        self._more = max_length / SLOWEST
        if not self._has_stalled:
            self._deadline += self._more + EACH_SECONDS
        length = 0
        try:
            for chunk in self.fetch(url):
                length += len(chunk)
                if length > max_length:
                    raise DownloadLengthMismatchError(f"{url} sends more than {max_length} bytes")
                file.write(chunk)
        finally:
            self.close()
        file.seek(0)

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.close()
        self.first = self.last = b""
        self._open = self._chunks(url)
        return self._open

    def _chunks(self, url: str) -> Generator[bytes, None, None]:
        seconds = min(self._file_seconds + self._more, self._deadline - self._clock())
        if seconds <= 0:
            raise SlowRetrievalError("the time for all files together is over")
        chunks = _file(url) if url.startswith("file:") else self._http(url, self._clock() + seconds)
        try:
            for chunk in chunks:
                self.first = self.first or chunk[:_ENDS]
                self.last = chunk[-_ENDS:]
                yield chunk
        except SlowRetrievalError:  # the remaining files share the time of one, or a slow server could delay all others
            if not self.connections.is_cut:
                self._has_stalled = True
                self._deadline = min(self._deadline, self._clock() + self._file_seconds)
            raise

    def _http(self, url: str, deadline: float) -> Generator[bytes, None, None]:
        for _ in range(MAX_REDIRECTS + 1):
            location = yield from _one_exchange(url, deadline - self._clock(), self.connections)
            if location is None:
                return
            try:
                target = urljoin(url, location)
                followed = urlsplit(target).scheme in (("https",) if url.startswith("https:") else ("http", "https"))
            except ValueError:
                followed = False
            if not followed:
                raise DownloadError(f"{url} redirects to '{unproved(location)}', which is not followed")
            url = target
        raise DownloadError(f"{url} redirects more than {MAX_REDIRECTS} times")


def _file(url: str) -> Generator[bytes, None, None]:
    try:
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise DownloadError(f"{url} is on another machine; a file: URL has no host")
        path = unquote(parts.path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # do not block on a named pipe
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)  # a folder's, for one, is not closed by `fdopen`, which refuses it
            raise DownloadError(f"{path} is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DownloadHTTPError(f"{url} is not there", 404) from error
    except (OSError, ValueError) as error:
        raise DownloadError(f"{url} cannot be read: {cause_of(error)}") from error


def _one_exchange(url: str, seconds: float, connections: HttpConnections) -> Generator[bytes, None, str | None]:
    """Yield the body; the return value is the Location of a redirect, None if there was a body."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise DownloadError(f"{url} is not a file:, http: or https: URL")
        if seconds <= 0:
            raise SlowRetrievalError(f"{url} took too long")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with connections.asked(origin_of(url), target, _HEADERS, seconds) as asked:
            response, late = asked
            status, location = response.status, response.headers.get("Location", "")
            try:
                if status != http.client.OK:
                    response.read(MAX_UNREAD)
                else:
                    while chunk := response.read(CHUNK):
                        yield chunk
                    if response.length:
                        raise CutShort(f"{url} ended {response.length} bytes early")
            except (OSError, http.client.HTTPException, DownloadError) as error:
                if late.is_set():
                    raise SlowRetrievalError(f"{url} took longer than {seconds:.0f} seconds") from error
                raise
            if late.is_set():  # without a Content-Length a body that was cut looks complete
                raise SlowRetrievalError("the time for the file is over")
    except http.client.IncompleteRead as error:
        raise CutShort(f"{url} ended early") from error
    except NoConnection as error:
        raise DownloadError(f"{url} {error}") from error
    except TimeoutError as error:
        raise SlowRetrievalError(f"{url} did not answer in time") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"{url} {http_cause(error)}") from error
    if status in _REDIRECTS:
        return location
    if status != http.client.OK:
        raise DownloadHTTPError(f"{url} was answered with {status}", status)
    return None
