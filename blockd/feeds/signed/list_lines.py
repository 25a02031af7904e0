"""The names of an order whose list is in files of its own, read from the text beside the feed's bundle."""

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
    """The names of a list after one of its steps, as `Lines`, which can be iterated once.

    The text's digest was checked when it was fetched, which may be long ago, and is checked again after its last name,
    before anything is enforced. Raises FeedRefused: `missing` if there is no text, `cut`, `format` or `signature` if it
    is not what the step says.
    """

    path: Path
    step: ListStep
    _rejects: RejectReport = field(default_factory=RejectReport)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the names' keys."""
        yield from self._lines()
        self._check()

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        """Add all names to `taker`; yield now and then how many it was so far."""
        yield from self._lines().add_to(taker)
        self._check()

    def _lines(self) -> DomainLines:
        check_size(self.path, self.step)
        return DomainLines(self.path, self._rejects, self.step.size)

    def _check(self) -> None:
        if self._rejects.rejected or self._rejects.accepted != self.step.count:
            raise FeedRefused(
                "format",
                f"The list of {self.step.target} holds {self._rejects.accepted:,} names and "
                f"{self._rejects.rejected:,} invalid lines, but its order says {self.step.count:,} names: nothing of "
                "it is taken.",
            )
        check_digest(self.path, self.step)


def check_size(path: Path, step: ListStep) -> None:
    """Raise FeedRefused if the file at `path` does not have the size of the step's text."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FeedRefused("missing", f"The list of {step.target} cannot be read: {error.strerror}.") from error
    if size != step.size:
        raise FeedRefused(
            "cut" if size < step.size else "format",
            f"The list of {step.target} has {size:,} octets, but its order says {step.size:,}: nothing of it is taken.",
        )


def check_digest(path: Path, step: ListStep) -> None:
    """Raise FeedRefused if the file at `path` is not the step's text, octet for octet."""
    try:
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FeedRefused("missing", f"The list of {step.target} cannot be read: {error.strerror}.") from error
    if digest != step.sha256:
        raise FeedRefused(
            "signature",
            f"The list of {step.target} is not what was signed: it has changed on the disk since it was fetched. "
            "Nothing of it is taken. Check the disk.",
        )
