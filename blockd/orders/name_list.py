"""The names of a national-size order, which lie in files of their own beside it: a base, and what has changed since.

The text that they make is canonical: one name a line, in small A-labels, each once, in ascending order of octets, with
a line feed behind each. So the same names have one text and one digest, whoever made it and in however many steps.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListStep:
    """One file to fetch: the base, or the changes from the step before; and what the text is then."""

    target: str  # the file's path in the repository
    sha256: str  # of the whole text after this step, hexadecimal
    size: int  # octets of that text
    count: int  # names in it


@dataclass(frozen=True, slots=True)
class NameList:
    """The steps to a list's text: the base first. Whoever has the text of a step goes on from there."""

    steps: tuple[ListStep, ...]

    @property
    def last(self) -> ListStep:
        """What the list is in the end."""
        return self.steps[-1]
