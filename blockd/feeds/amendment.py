"""The input and the result of amending a ruleset in force with a feed's news."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.building.amender import Amender
from blockd.ruleset.gate.guard_report import GuardReport

NEWS = 16  # keys of a feed that are reported as added, and as many as removed


@dataclass(frozen=True, slots=True)
class Amending:
    """A ruleset while it is amended: its catalogue so far, and the feed's own reports.

    `held` is changed in place. `rejects` is of the accepted content; None if there is none.
    """

    catalogue: Catalogue
    amender: Amender
    rejects: RejectReport | None
    held: GuardReport
    gate: Gate


@dataclass(frozen=True, slots=True)
class Amendment:
    """The result of one feed's news: orders that are `gone` keep their places, new ones come after all others."""

    catalogue: Catalogue
    news: tuple[bytes, ...]  # some keys of names that were added or removed
    rejects: RejectReport | None = None  # of the new content; None if the kind has no report
    gone: frozenset[int] = frozenset()
