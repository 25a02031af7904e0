"""Shapes of the results of commands."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from blockd.web.api.shapes.parts import Outcome, OverrideShown, ReleaseShown


class RefreshedFeed(TypedDict):
    """Result of polling a feed, `new` if nothing was to be enforced; `why` is a sentence."""

    outcome: Outcome
    why: NotRequired[str]


class RefreshAnswer(TypedDict):
    """Result of a refresh, by feed, and the version in force afterwards."""

    feeds: dict[str, RefreshedFeed]
    version: int | None


class ReloadAnswer(TypedDict):
    """How a reload stands or has ended; a dry run that ends as `taken` would be.

    `before` and `after` are the SHA-256 of the config in force and of that on disk; `replaced` are kinds of processes,
    `restart` the settings that only a restart takes, `problems` why it was not taken, a sentence each.
    """

    id: str
    by: str
    reason: str
    dry_run: bool
    at: str
    outcome: Literal["checking", "trying", "taking", "taken", "unchanged", "refused", "failed"]
    before: str
    after: str
    changes: list[str]
    replaced: list[str]
    restart: list[str]
    problems: list[str]
    seconds: float


class ReloadsAnswer(TypedDict):
    """The newest reload, that in progress included, and the last that was no dry run."""

    current: ReloadAnswer | None
    last: ReloadAnswer | None


class ReloadsToldAnswer(ReloadsAnswer):
    """The same, with the newest ones by which who asked for one finds it by its id; the last one last."""

    recent: list[ReloadAnswer]


class UpgradeAnswer(TypedDict):
    """How an upgrade stands or has ended; `before` and `after` are versions of blockd."""

    id: str
    by: str
    reason: str
    program: str
    dry_run: bool
    at: str
    outcome: Literal["trying", "tried", "taking", "taken", "refused", "failed"]
    before: str
    after: str
    problems: list[str]
    seconds: float


class UpgradesAnswer(TypedDict):
    """The newest upgrade, that in progress included."""

    current: UpgradeAnswer | None


class HintAnswer(TypedDict):
    """The names of the feeds that are polled soon."""

    feeds: list[str]


class RollbackAnswer(TypedDict):
    """What is in force, and what is pinned."""

    version: int | None
    pinned: int | None


class VerdictBefore(TypedDict):
    """What happened to a name before."""

    verdict: str
    why: str


class OverrideAnswer(OverrideShown):
    """An override that was added or ended, and the version in force afterwards."""

    outcome: Outcome
    why: NotRequired[str]
    version: int | None
    before: NotRequired[VerdictBefore]


class AcceptAnswer(TypedDict):
    """Result of taking a feed's refused content."""

    feed: str
    digest: str
    outcome: Outcome
    why: NotRequired[str]
    version: int | None


class HeldAnswer(ReleaseShown):
    """An entry that was let through, or is held back again, and the version in force afterwards."""

    over: bool
    ended_reason: str
    outcome: Outcome
    why: NotRequired[str]
    version: int | None


class StatementAnswer(TypedDict):
    """A statement: its file's name, and its text."""

    file: str
    statement: str
