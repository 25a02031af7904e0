"""Real web servers for simulated repositories: they keep connections open, count, and can be slow or hang up."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from blockd.feeds.signed.fetchers import FILE_SECONDS, BoundedFetcher
from blockd.feeds.signed.repository import SignedRepository
from tests.feeds.tuf.repository import Repository
from tests.webserver import BLOCK, QuietHandler, QuietServer, running


class Served(QuietServer):
    """Serves `repository`; what is in `slow` is sent byte by byte, without an end."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(Handler)
        self.repository = repository
        self.slow: set[str] = set()
        self.is_late = False  # so late with each answer that nobody waits for it
        self.late_once: set[str] = set()  # files that nobody waits for when they are asked for the first time
        self.hangs_up = False  # after each answer, without having said so
        self.requests: list[str] = []
        self.connections = 0
        self.open: list[socket.socket] = []


class Handler(QuietHandler):
    server: Served
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.server.connections += 1
        self.server.open.append(self.request)
        super().setup()

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        path = self.path.lstrip("/")
        self.server.requests.append(path)
        if self.server.is_late or path in self.server.late_once:
            self.server.late_once.discard(path)
            self.server.released.wait()
        repository = self.server.repository
        content = repository.files.get(path)
        if path in self.server.slow or path in repository.endless:
            self.give_without_end(b" " if path in self.server.slow else BLOCK, pause=0.01)
        elif content is None:
            self.give(404, b"not here")
        else:
            self.give(200, content)
        if self.server.hangs_up:
            self.close_connection = True


@contextlib.contextmanager
def serving(repository: Repository) -> Iterator[Served]:
    server = Served(repository)
    try:
        with running(server):
            yield server
    finally:
        for connection in server.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class HurriedFetcher(BoundedFetcher):
    """Has a short limit for files that one of `servers` is slow with, and a long one for others."""

    def __init__(self, servers: Sequence[Served]) -> None:
        super().__init__()
        self._servers = servers

    def _fetch(self, url: str) -> Iterator[bytes]:
        is_slow = any(url == f"{server.url}/{path}" for server in self._servers for path in server.slow)
        self._file_seconds = 0.5 if is_slow else FILE_SECONDS
        return super()._fetch(url)


@contextlib.contextmanager
def looking(repository: Repository, folder: Path, *servers: Served) -> Iterator[SignedRepository]:
    """Yield a node that trusts the first root of `repository`, and begins with the first of `servers`."""
    node = SignedRepository(
        servers[0].url if servers else "",
        repository.first_root,
        folder,
        now=lambda: repository.now.timestamp(),
        fetcher=lambda: HurriedFetcher(servers),
    )
    with contextlib.closing(node):
        yield node
