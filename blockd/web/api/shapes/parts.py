"""Shapes that stand in several answers."""

from __future__ import annotations

from typing import Literal, TypedDict

Outcome = Literal["enforced", "unchanged", "refused", "waiting", "new"]


class OrderShown(TypedDict):
    """An order of what is enforced, how it stands, and how many entries it covers; `order` has its public fields."""

    feed: str
    role: str
    state: Literal["pending", "in force", "expired", "lifted"]
    stale: bool
    names: int
    order: dict[str, object]


class OverrideShown(TypedDict):
    """A local override."""

    id: str
    name: str
    scope: str
    reason: str
    officer: str
    authority: str
    created: str
    until: str
    ended: str | None
    ended_reason: str
    over: bool
    in_force: bool


class ReleaseShown(TypedDict):
    """An entry that is let through."""

    entry: str
    reason: str
    officer: str
    created: str
