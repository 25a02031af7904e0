"""A real web server with a published folder, which counts what it gives, and lies where it is told to."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.webserver import QuietHandler, QuietServer, running

ENDLESS = b"endless"  # what a lie gives in the place of an answer without an end
_HASHED = re.compile(r"^targets/(?:.*/)?[0-9a-f]{64}\.")

Lie = Callable[[str], bytes | None]
"""Gives what a path is answered with; None if the truth is told."""


class Mirror(QuietServer):
    """Serves `folder`; `given` has every path that was asked for since it was last cleared, and the octets given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(_Handler)
        self.folder = folder
        self.url += "/"
        self.lie: Lie | None = None
        self.given: list[tuple[str, int]] = []

    @property
    def octets(self) -> int:
        """All octets that were given."""
        return sum(octets for _, octets in self.given)

    @property
    def targets(self) -> list[str]:
        """The targets that were given, without the digests in their names."""
        return [re.sub(r"[0-9a-f]{64}\.", "", path) for path, _ in self.given if _HASHED.match(path)]

    def content(self, path: str) -> bytes | None:
        """Return what a path is answered with; None if there is nothing."""
        told = self.lie(path) if self.lie else None
        if told is not None:
            return told
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None


class _Handler(QuietHandler):
    server: Mirror
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        """Answer with the folder's file, or with a lie."""
        path = self.path.lstrip("/")
        content = self.server.content(path)
        if content == ENDLESS:
            self.give_without_end()
            return
        self.server.given.append((path, len(content or b"")))
        self.give(404 if content is None else 200, content or b"")


@contextlib.contextmanager
def mirrored(folder: Path) -> Iterator[Mirror]:
    """Serve a folder until the block ends."""
    with running(Mirror(folder)) as server:
        yield server
