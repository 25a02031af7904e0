"""Receivers of a list's names while it is read: names one by one, or whole blocks of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable


@runtime_checkable
class LineTaker(Protocol):
    """A builder that parses plain host names itself."""

    def add_lines(self, block: bytes, start: int) -> tuple[int, int]:
        """Add the names of a block's lines from `start` on, up to the first line that is not a plain name.

        Return where that line begins, or the block's length; and how many lines were taken, each with one name.
        """

    def add_keys(self, keys: Iterable[bytes]) -> None:
        """Add entries by their keys."""


@runtime_checkable
class Lines(Protocol):
    """Keys that are still lines of text."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield them one by one."""

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        """Add all of them to `taker`; yield now and then how many were added so far. Raises as iterating does."""
