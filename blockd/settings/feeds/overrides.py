"""The operator's local overrides, a feed that is not in the config."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from blockd.orders.incident import OVERRIDES
from blockd.settings.feeds.base import Feed
from blockd.settings.section import Whole

__all__ = ["OVERRIDES", "OverridesFeed"]


class OverridesFeed(Feed):
    """The feed that blockd always has; each of its orders has an end of its own."""

    is_signed: ClassVar[bool] = True
    is_own: ClassVar[bool] = True
    source_keys: ClassVar[frozenset[str]] = Feed.source_keys | {"path"}

    name: Literal["overrides"] = "overrides"
    type: Literal["overrides"] = "overrides"
    priority: Whole = 0
    path: Path  # the file that `blockd override` changes
    interval: float = 3600.0  # seconds; each change is polled at once

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.path)
