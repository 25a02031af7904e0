"""Lists with a detached signature: both are fetched together, and a list without its signature is refused.

A list that changed between the two fetches is refused, and both are fetched again at the next poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.detached_signature import MAX_SIGNATURE, UNPROVED, read_small, verify_detached
from blockd.feeds.fetched import INCOMING, Fetched, Validators
from blockd.feeds.file import FileSource
from blockd.feeds.web import ReadAccess, WebSource
from blockd.files import stamp_of
from blockd.settings import ListSignature, shown_place

_BESIDE = "signature"  # the folder within a feed's own to which a signature is fetched


class ProvedFile:
    """A file with its signature's file; `source` watches the list alone."""

    def __init__(self, source: FileSource, path: Path, signature: ListSignature) -> None:
        self._source = source
        self._path = path
        self._signature = signature
        self._place = signature.path or path.with_name(path.name + signature.suffix)
        self._refused: FeedRefused | None = None
        self._refused_at: Sequence[object] = ()

    @property
    def settling(self) -> bool:
        """Whether the last poll saw a change that is not taken yet."""
        return self._source.settling

    def poll(self, folder: Path) -> Fetched | None:
        """Return the file as `FileSource.poll` does, once its signature is valid.

        Raises as that does, and FeedRefused("unsigned") at every poll while it is not. Refused content is read again
        only if the list, its signature or the key has changed.
        """
        seen = [stamp_of(path) for path in (self._path, self._place, self._signature.key)]
        if self._refused is not None and seen == self._refused_at:
            raise FeedRefused(self._refused.reason, str(self._refused))
        self._refused = None
        fetched = self._source.poll(folder)
        if fetched is None:
            return None
        try:
            verify_detached(self._signature, self._signed(), fetched, str(self._path))
        except FeedRefused as refused:
            fetched.path.unlink(missing_ok=True)
            self._source.forget()
            self._refused, self._refused_at = refused.kept(), seen
            raise
        return fetched

    def _signed(self) -> bytes:
        try:
            return read_small(self._place, MAX_SIGNATURE, "signature")
        except FeedRefused as refused:
            if refused.reason == "missing":
                raise _unsigned(str(self._path), str(self._place)) from refused
            raise


class ProvedPage:
    """A URL with its signature's URL; `source` fetches the list as published, `access` says how both are reached."""

    def __init__(self, source: WebSource, url: str, signature: ListSignature, access: ReadAccess | None = None) -> None:
        self._source = source
        self._url = url
        self._access = access
        self._signature = signature
        self._place = signature.url or _with_suffix(url, signature.suffix)
        self._shown = shown_place(url)
        self._is_proved = False  # whether this object has verified what the server has

    async def fetch(self, folder: Path, previous: Validators) -> Fetched | None:
        """Fetch as `WebSource.fetch` does, then the signature; there is no `incoming` if that is not valid.

        Until a first signature was verified the list is fetched whole, whatever `previous` says.
        """
        fetched = await self._source.fetch(folder, previous if self._is_proved else Validators())
        if fetched is None:
            return None
        try:
            signed = await self._signed(folder)
            await asyncio.to_thread(verify_detached, self._signature, signed, fetched, self._shown)
        except BaseException:
            fetched.path.unlink(missing_ok=True)
            raise
        self._is_proved = True
        return fetched

    async def _signed(self, folder: Path) -> bytes:
        beside = folder / _BESIDE
        beside.mkdir(exist_ok=True)
        try:
            await WebSource(self._place, MAX_SIGNATURE, self._access, as_published=True).fetch(beside, Validators())
            return read_small(beside / INCOMING, MAX_SIGNATURE, "signature")
        except FeedUnreachable:
            raise
        except FeedRefused as refused:
            if refused.reason == "missing":
                raise _unsigned(self._shown, shown_place(self._place)) from refused
            raise FeedRefused(
                "unsigned", f"{shown_place(self._place)} is not a signature ({refused.reason}). {UNPROVED}"
            ) from refused
        finally:
            (beside / INCOMING).unlink(missing_ok=True)


def _unsigned(source: str, place: str) -> FeedRefused:
    return FeedRefused("unsigned", f"{source} has no signature: {place} is not there. {UNPROVED}")


def _with_suffix(url: str, suffix: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=parts.path + suffix).geturl()
