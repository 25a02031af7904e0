"""A compiled ruleset that is not enforced yet, with the outcome for each of its feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blockd.feeds.fetched import Fetched
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.versions.diff import Changes


class FeedReport(Protocol):
    """A report on a feed's entries."""

    def to_json(self) -> Mapping[str, object]:
        """Return it as JSON values."""


@dataclass(frozen=True, slots=True)
class News:
    """A compiled ruleset that is not enforced yet, with the outcome for each of its feeds."""

    compiled: Path
    content: str  # `Catalogue.made_from`
    taken: Mapping[str, Fetched] = field(default_factory=dict)  # the contents new in it, by feed
    rejects: Mapping[str, FeedReport] = field(default_factory=dict)  # by feed
    held: Mapping[str, GuardReport] = field(default_factory=dict)  # entries that the gate held back, by feed
    names: Sequence[bytes] = ()  # some keys that are known to have been added or removed
    changes: Changes | None = None  # from the version before, if that is known
