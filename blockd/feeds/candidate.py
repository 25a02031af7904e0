"""One feed with its contents to compile."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from blockd.feeds.budget import Budget
from blockd.settings import Feed


@dataclass(frozen=True, slots=True)
class Content:
    """What a feed has fetched: a list as published, or a bundle of signed orders.

    `source` names it in sentences for people: the feed's path or URL. The file at `path` is blockd's own copy.
    """

    path: Path
    digest: str
    source: str = ""

    @property
    def shown(self) -> str:
        """The name of the content in sentences."""
        return self.source or str(self.path)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One feed with its contents to compile: `incoming` is new and must pass the gate, `accepted` has passed it."""

    feed: Feed
    incoming: Content | None
    accepted: Content | None
    _: KW_ONLY
    lasting: int | None = None  # the size that it had for longest in the last days, if known
    budget: Budget | None = None  # for reading `incoming`; None for no limit
    waived: bool = False  # whether an operator takes `incoming` whatever the gate says of its size and rejects
