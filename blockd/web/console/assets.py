"""The console's files: read once, served under a path that changes with their content, and so kept for good."""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import hdrs, web

from blockd.web.api.conditions import is_known
from blockd.web.api.packing import SUFFIX
from blockd.web.api.replies import tag_of
from blockd.web.negotiate import takes_gzip

FOLDER = "/console/"  # the path below which they are served
LASTING = "private, max-age=31536000, immutable"  # a year; their path is another once they are (RFC 8246)
MAX_FILE = 256 * 1024  # octets of one: uPlot, the largest, has 51 KB
SMALL = 512  # octets below which nothing is packed: it would save less than the header that says so

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file; `packed` is its content by gzip, empty if that is not smaller. `tag` is an entity tag without quotes."""

    body: bytes
    packed: bytes
    type: str
    tag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> Asset:
        """Return the asset of a file's content."""
        packed = gzip.compress(body, 9, mtime=0) if len(body) >= SMALL else b""
        kind = _TYPES["." + name.rpartition(".")[2]]
        return cls(body, packed if len(packed) < len(body) else b"", kind, tag_of(body))


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by their path below the folder, and the digest of all that their paths have."""

    files: Mapping[str, Asset]
    digest: str

    def path(self, name: str) -> str:
        """Return the path at which a file is served; raises KeyError if there is no such file."""
        if name not in self.files:
            raise KeyError(name)
        return f"{FOLDER}{self.digest}/{name}"

    def answer(self, request: web.Request, path: str) -> web.Response:
        """Return the file at a path below FOLDER, as the client takes it; raises HTTPNotFound.

        A page that is older than this blockd asks for files of another digest: it is told that they are gone, and
        loads itself anew.
        """
        digest, _, name = path.partition("/")
        asset = self.files.get(name) if digest == self.digest else None
        if asset is None:
            raise web.HTTPNotFound
        is_packed = bool(asset.packed) and takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        tag = asset.tag + (SUFFIX if is_packed else "")
        headers = {hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: LASTING, hdrs.VARY: hdrs.ACCEPT_ENCODING}
        if is_known(request, tag):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = asset.type
        if is_packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=asset.packed if is_packed else asset.body, headers=headers)


@functools.cache
def assets() -> Assets:
    """Return the files that come with blockd."""
    files = {
        name: Asset.of(name, found.read_bytes())
        for name, found in sorted(_files(resources.files("blockd.web.console").joinpath("static"), ""))
        if "." + name.rpartition(".")[2] in _TYPES
    }
    digest = hashlib.sha256()
    for name, asset in files.items():
        digest.update(f"{name}\0{asset.tag}\n".encode())
    return Assets(files, digest.hexdigest()[:16])


def _files(folder: Traversable, before: str) -> Iterator[tuple[str, Traversable]]:
    for found in folder.iterdir():
        if found.is_dir():
            yield from _files(found, f"{before}{found.name}/")
        else:
            yield f"{before}{found.name}", found
