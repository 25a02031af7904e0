"""Fetching for signed repositories: `file:` and `http(s):` URLs, bounded in time.

TUF bounds the bytes of each file. A socket's timeout bounds one read only, and a server that sends a byte just before
each timeout holds the reader for ever. So every file has a time in which it has to be whole, and every fetch too.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterator
from urllib.parse import unquote, urljoin, urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from blockd import __version__

SOCKET_SECONDS = 10.0  # for the connection and for each read
FILE_SECONDS = 120.0  # for one file: 64 MiB at half a megabyte a second
FETCH_SECONDS = 900.0  # for all files of one fetch
CHUNK = 64 * 1024  # bytes read at once
MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": f"blockd/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
_ENDS = 64  # bytes kept of a file's beginning, for telling a web page from metadata


class CutShort(DownloadError):
    """The server closed before the whole body was sent."""


class BoundedFetcher(FetcherInterface):
    """Fetches the files of one fetch; `seconds` bounds all of them together, `file_seconds` each.

    `first` and `last` are the ends of the file fetched last, which say what kind of wrong file it was.
    """

    def __init__(
        self,
        seconds: float = FETCH_SECONDS,
        file_seconds: float = FILE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first = b""
        self.last = b""
        self._clock = clock
        self._deadline = clock() + seconds
        self._file_seconds = file_seconds
        self._open: Generator[bytes, None, None] | None = None

    def close(self) -> None:
        """Give back what a file that was not read to its end still holds."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.close()
        self.first = self.last = b""
        self._open = self._chunks(url)
        return self._open

    def _chunks(self, url: str) -> Generator[bytes, None, None]:
        seconds = min(self._file_seconds, self._deadline - self._clock())
        if seconds <= 0:
            raise SlowRetrievalError("the time for all files together is over")
        chunks = _file(url) if url.startswith("file:") else _http(url, self._clock() + seconds, self._clock)
        for chunk in chunks:
            self.first = self.first or chunk[:_ENDS]
            self.last = chunk[-_ENDS:]
            yield chunk


def _file(url: str) -> Generator[bytes, None, None]:
    try:
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise DownloadError(f"{url} is on another machine; a file: URL has no host")
        path = unquote(parts.path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe must not hold us
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise DownloadError(f"{path} is no regular file")
            while chunk := file.read(CHUNK):
                yield chunk
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DownloadHTTPError(f"{url} is not there", 404) from error
    except (OSError, ValueError) as error:
        raise DownloadError(f"{url} cannot be read: {error}") from error


def _http(url: str, deadline: float, clock: Callable[[], float]) -> Generator[bytes, None, None]:
    for _ in range(MAX_REDIRECTS + 1):
        location = yield from _one_exchange(url, deadline - clock())
        if location is None:
            return
        try:
            target = urljoin(url, location)
            followed = urlsplit(target).scheme in (("https",) if url.startswith("https:") else ("http", "https"))
        except ValueError:
            followed = False
        if not followed:
            raise DownloadError(f"{url} redirects to {location[:200]!r}, which is not followed")
        url = target
    raise DownloadError(f"{url} redirects more than {MAX_REDIRECTS} times")


def _one_exchange(url: str, seconds: float) -> Generator[bytes, None, str | None]:
    """Yield the body; the value returned is the Location of a redirect, None where the body was given."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise DownloadError(f"{url} is no file:, http: or https: URL")
        host, secure = parts.hostname or "", parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(host, parts.port)
        if seconds <= 0:
            raise SlowRetrievalError(f"{url} took too long")
        plain = socket.create_connection((host, connection.port), timeout=min(SOCKET_SECONDS, seconds))
        with contextlib.closing(connection), _cut_after(plain, seconds) as late:
            try:
                connection.sock = plain
                if secure:
                    connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", target, headers=_HEADERS)
                with connection.getresponse() as response:
                    if response.status in _REDIRECTS:
                        return response.headers.get("Location", "")
                    if response.status != http.client.OK:
                        raise DownloadHTTPError(f"{url} was answered with {response.status}", response.status)
                    while chunk := response.read(CHUNK):
                        yield chunk
                    if late.is_set():  # without a Content-Length a body that was cut looks like a whole one
                        raise SlowRetrievalError("the time for the file is over")
                    if response.length:
                        raise CutShort(f"{url} ended {response.length} bytes early")
                return None
            except (OSError, http.client.HTTPException, DownloadError) as error:
                if late.is_set():
                    raise SlowRetrievalError(f"{url} took longer than {seconds:.0f} seconds") from error
                raise
    except http.client.IncompleteRead as error:
        raise CutShort(f"{url} ended early") from error
    except TimeoutError as error:
        raise SlowRetrievalError(f"{url} did not answer in time") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"{url}: {error or type(error).__name__}") from error


@contextlib.contextmanager
def _cut_after(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Shut `connection` down after `seconds`, in whatever state it is; the event given says that it was."""
    late = threading.Event()
    handle = connection.dup()  # TLS takes the socket's descriptor over

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        handle.close()
