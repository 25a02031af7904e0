"""Who takes the names of a list while it is read: names one by one, or whole blocks of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable


@runtime_checkable
class LineTaker(Protocol):
    """A builder that reads plain host names from text by itself."""

    def add_lines(self, block: bytes, start: int) -> tuple[int, int]:
        """Add the names of a block's lines from `start` on, up to the first line that needs care.

        Gives where that line begins, or the block's length; and how many lines were taken, each of which held a name.
        """

    def add_keys(self, keys: Iterable[bytes]) -> None:
        """Add entries whose keys were found elsewhere."""


@runtime_checkable
class Lines(Protocol):
    """Keys that are still lines of text."""

    def __iter__(self) -> Iterator[bytes]:
        """Give them one by one."""

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        """Add all of them to `taker`, giving now and then how many it was so far; raises as iterating does."""
