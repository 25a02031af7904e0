"""The updater's interface to what enforces rulesets."""

from __future__ import annotations

from typing import Protocol

from blockd.compile.news import News
from blockd.feeds.fetched import Fetched
from blockd.ruleset import Ruleset


class Enforcement(Protocol):
    """Enforcement of rulesets in all workers."""

    @property
    def ruleset(self) -> Ruleset | None:
        """The ruleset in force."""

    @property
    def version(self) -> int | None:
        """The version in force."""

    @property
    def is_held(self) -> bool:
        """Whether an operator has pinned the version in force."""

    def dates_changed(self) -> None:
        """Note that the time at which some feed or authority expires has changed."""

    async def enforce(self, news: News, /) -> bool:
        """Enforce new content; false if the version in force is pinned. Raises RulesetError."""

    async def amend(self, fetched: Fetched | None, /) -> bool:
        """Enforce overrides, `fetched` or those accepted last, on top of the pinned version; false if none is pinned.

        Raises RulesetError and OSError.
        """

    async def recall(self, content: str, /) -> bool:
        """Enforce a version kept that was made from `content`; false if there is none. Raises RulesetError."""
