"""What a kind of feed is given to amend a ruleset in force with its news, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.building.amender import Amender
from blockd.ruleset.gate.guard_report import GuardReport

NEWS = 16  # keys of a feed that are told as having come, and as having gone


@dataclass(frozen=True, slots=True)
class Amending:
    """A ruleset while it is amended: what its catalogue is by now, and the feed's own reports.

    `held` is changed in place. `rejects` is of the accepted content; None if there is none.
    """

    catalogue: Catalogue
    amender: Amender
    rejects: RejectReport | None
    held: GuardReport
    gate: Gate


@dataclass(frozen=True, slots=True)
class Amendment:
    """What comes of one feed's news: orders that are `gone` keep their places, new ones stand behind all others."""

    catalogue: Catalogue
    news: tuple[bytes, ...]  # some keys of names that came or went
    rejects: RejectReport | None = None  # of the new content; None if the kind has no report
    gone: frozenset[int] = frozenset()
