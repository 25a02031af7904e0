"""The names of a national-size order, in files of their own beside it: a base, and what has changed since.

The text that they make is canonical: one name a line, in lower-case A-labels, each once, in ascending order of octets,
a line feed after each. So the same names have one text and one digest, in however many steps it was made.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListStep:
    """One file to fetch: the base, or the changes since the step before; and the text that results."""

    target: str  # the file's path in the repository
    sha256: str  # of the whole text after this step, hexadecimal
    size: int  # octets of that text
    count: int  # names in it


@dataclass(frozen=True, slots=True)
class NameList:
    """The steps to a list's text, the base first. A client that has the text of a step continues from there."""

    steps: tuple[ListStep, ...]

    @property
    def last(self) -> ListStep:
        """The last step, which describes the whole list."""
        return self.steps[-1]
