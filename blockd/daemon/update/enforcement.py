"""What the updater asks of whoever enforces rulesets."""

from __future__ import annotations

from typing import Protocol

from blockd.compile.news import News
from blockd.ruleset import Ruleset


class Enforcement(Protocol):
    """What enforces rulesets in all workers."""

    @property
    def ruleset(self) -> Ruleset | None:
        """The one in force."""

    @property
    def version(self) -> int | None:
        """Its version."""

    @property
    def is_held(self) -> bool:
        """Whether it stays in force whatever is new, as an operator has asked."""

    def dates_changed(self) -> None:
        """Take note that the time of some feed's or authority's end is another one."""

    async def enforce(self, news: News, /) -> bool:
        """Enforce what is new; false if the one in force is held. Raises RulesetError."""

    async def recall(self, content: str, /) -> bool:
        """Enforce a version kept that was made from a content; false if there is none. Raises RulesetError."""
