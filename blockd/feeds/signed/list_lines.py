"""The names of an order whose list lies in files of its own, read from the text beside the feed's bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.formats.body import open_regular
from blockd.formats.domains import DomainLines
from blockd.formats.rejects import RejectReport
from blockd.formats.taking import LineTaker
from blockd.orders import ListStep


@dataclass(frozen=True, slots=True)
class StoredListNames:
    """The names of a list after one of its steps, as `Lines`; they are read once.

    The text's digest was checked when it was brought, which may be long ago, and is checked again behind its last name:
    until then nothing of it is enforced. Raises FeedRefused `missing` where the text is not there, `cut`, `format` or
    `signature` where it is not what the step says.
    """

    path: Path
    step: ListStep
    _rejects: RejectReport = field(default_factory=RejectReport)

    def __iter__(self) -> Iterator[bytes]:
        """Give the names' keys."""
        yield from self._lines()
        self._check()

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        """Add all names to `taker`; give now and then how many it was so far."""
        yield from self._lines().add_to(taker)
        self._check()

    def _lines(self) -> DomainLines:
        check_size(self.path, self.step)
        return DomainLines(self.path, self._rejects, self.step.size)

    def _check(self) -> None:
        if self._rejects.rejected or self._rejects.accepted != self.step.count:
            raise FeedRefused(
                "format",
                f"The list {self.path} holds {self._rejects.accepted:,} names and {self._rejects.rejected:,} lines "
                f"that are none, where its order says {self.step.count:,} names: nothing of it is taken.",
            )
        check_digest(self.path, self.step)


def check_size(path: Path, step: ListStep) -> None:
    """Raise FeedRefused where the file at `path` has not the size of the step's text."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FeedRefused("missing", f"The list {path} of an order cannot be read: {error.strerror}.") from error
    if size != step.size:
        raise FeedRefused(
            "cut" if size < step.size else "format",
            f"The list {path} has {size:,} octets where its order says {step.size:,}: nothing of it is taken.",
        )


def check_digest(path: Path, step: ListStep) -> None:
    """Raise FeedRefused where the file at `path` is not the step's text, octet for octet."""
    try:
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FeedRefused("missing", f"The list {path} of an order cannot be read: {error.strerror}.") from error
    if digest != step.sha256:
        raise FeedRefused(
            "signature",
            f"The list {path} is not what was signed: it has changed on the disk since it was brought. Nothing of "
            "it is taken. Is the disk sound?",
        )
