"""The config that runs, and whether the file on disk is another by now: it is read at a start and by a reload."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockd.files import open_configured
from blockd.ruleset.gate.lists import MAX_LIST
from blockd.settings import Settings
from blockd.times import time_text

_CHUNK = 1 << 20  # octets read at a time
MAX_DIGEST = MAX_LIST + _CHUNK  # octets of a file that are looked at: of all that is read, a list may have the most

_Stamp = tuple[int, int, int] | None
"""Modification time in nanoseconds, size and inode; None if there is no file."""

log = logging.getLogger(__name__)
_TAKEN = " `blockd reload` takes what is there; with --dry-run it shows what would change."


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file as it was when the config was read: its SHA-256, empty if it could not be read."""

    path: Path
    digest: str
    stamp: _Stamp

    @staticmethod
    def stamp_now(path: Path) -> _Stamp:
        """Return the stamp that a file has now."""
        return _stamp(path)

    @classmethod
    def read(cls, path: Path) -> LoadedFile:
        """Read a file as it is now."""
        stamp = _stamp(path)  # before it is read: a change meanwhile is then seen
        return cls(path, _digest(path), stamp)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that is another on disk than when the config was read; `since` and `digest` are None if it is gone."""

    path: str
    since: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """The config that runs: where it was read from, when, its SHA-256, and what has changed on disk since then."""

    path: str
    since: str
    digest: str
    changed: tuple[ChangedFile, ...] = ()

    def sentences(self) -> list[str]:
        """Say what has changed, a sentence for each file, with a blank before it."""
        return [
            f" {one.path} is gone." if one.since is None else f" {one.path} on disk is another since {one.since}."
            for one in self.changed
        ]


class ConfigWatch:
    """The config at `path` as it was read at `since`, and the files named there that are read with it."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        since: float | None = None,
        files: Sequence[LoadedFile] | None = None,
    ) -> None:
        """`files` are those that were read already, the config first."""
        self._since = time.time() if since is None else since
        named = dict.fromkeys((path.absolute(), *(one for _, one in named_files(settings))))
        self._files = [LoadedFile.read(one) for one in named] if files is None else list(files)
        self._seen: dict[Path, tuple[_Stamp, str]] = {}

    @property
    def digest(self) -> str:
        """The SHA-256 of the config that runs."""
        return self._files[0].digest

    def status(self) -> ConfigStatus:
        """Compare the files with those on disk; one whose stamp is the same is not read again."""
        own = self._files[0]
        changed = tuple(one for file in self._files if (one := self._changed(file)) is not None)
        return ConfigStatus(str(own.path), time_text(self._since), own.digest, changed)

    def is_of(self, path: str) -> bool:
        """Return whether a path, of whatever links, leads to the config, or would if that were there."""
        try:
            return os.path.realpath(path) == os.path.realpath(self._files[0].path)
        except ValueError:  # it has a zero, or a surrogate, which no path has
            return False

    @property
    def read_at(self) -> float:
        """When it was read, in seconds since the epoch."""
        return self._since

    def read_again(self, digest: str) -> None:
        """Go by the files on disk from now on, if the config there has this SHA-256: it means the same."""
        files = [LoadedFile.read(file.path) for file in self._files]
        if files[0].digest == digest:
            self._files, self._since = files, time.time()
            self._seen.clear()

    @property
    def files(self) -> Sequence[LoadedFile]:
        """The files as they were read, the config first."""
        return tuple(self._files)

    def tell(self) -> None:
        """Say at SIGHUP which config runs, since the signal makes other programs read theirs again."""
        config = self.status()
        log.log(
            logging.WARNING if config.changed else logging.INFO,
            "SIGHUP: every feed is polled, and certificates are read. "
            "The config in force is the one of %s, read at %s (SHA-256 %s).%s%s",
            config.path, config.since, config.digest[:12], "".join(config.sentences()),
            _TAKEN if config.changed else "",
        )  # fmt: skip

    def _changed(self, file: LoadedFile) -> ChangedFile | None:
        stamp = _stamp(file.path)
        if stamp == file.stamp:
            return None
        if stamp is None:
            return ChangedFile(str(file.path), None, None)
        seen = self._seen.get(file.path)
        if seen is None or seen[0] != stamp:
            seen = self._seen[file.path] = stamp, _digest(file.path)
        if seen[1] == file.digest:
            return None
        return ChangedFile(str(file.path), time_text(stamp[0] / 1e9), seen[1] or None)


def named_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the files of the gate, those of feeds with keys of their own included, roots of trust, and shared secrets.

    Each comes with the path of the setting that names it.

    Certificates are followed. The keys of detached signatures and the secrets of TSIG keys are read anew each time. So
    these are no part of it.
    """
    gates = [settings.gate, *(settings.gate.overridden_by(feed.gate) for feed in settings.feeds)]
    for key, value in (item for gate in gates for item in gate):
        found = value if isinstance(value, tuple) else (value,)
        yield from ((f"gate.{key}", one) for one in found if isinstance(one, Path))
    shared = {
        "clients.cookie_secrets": settings.clients.cookie_secrets,
        "tls.ticket_secrets": settings.tls.ticket_secrets,
    }
    yield from ((key, path) for key, path in shared.items() if path is not None)
    for feed in settings.feeds:
        if (root := feed.root_of_trust) is not None:
            yield f"feeds.{feed.name}.root", root


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(path: Path) -> str:
    """Return the SHA-256 of a regular file; empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_configured(path) as file:
            left = MAX_DIGEST
            while left > 0 and (octets := file.read(min(_CHUNK, left))):
                digest.update(octets)
                left -= len(octets)
    except OSError:
        return ""
    return digest.hexdigest()
