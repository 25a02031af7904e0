"""Shapes of what is kept, in force, or waits."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from blockd.web.api.shapes.looked_up import ListLine
from blockd.web.api.shapes.parts import OrderShown, OverrideShown, ReleaseShown
from blockd.web.figures.both_languages import BothLanguages
from blockd.web.figures.ending import EndingKind


class OrdersAnswer(TypedDict):
    """The orders that fit what was asked for."""

    asked: str
    orders: list[OrderShown]


class OrderPageAnswer(TypedDict):
    """Orders from `start` on, of `total`."""

    version: int
    total: int
    start: int
    orders: list[OrderShown]


class OverridesAnswer(TypedDict):
    """The local overrides."""

    overrides: list[OverrideShown]


class PeriodShown(TypedDict):
    """A period during which a version was enforced."""

    since: str | None
    until: str | None
    rollback: bool
    reason: str


class DifferenceShown(TypedDict):
    """How many entries differ from the version before."""

    against: int
    added: int
    removed: int
    changed: int


class FeedPartShown(TypedDict):
    """What one feed contributed to a version."""

    name: str
    type: str
    source: str
    source_time: str | None
    digest: str
    version: str
    names: int
    rejected: int


class VersionInBrief(TypedDict):
    """A version that is kept; what is not known is null."""

    version: int
    current: bool
    pinned: bool
    size: int
    kept: str | None
    record: str
    since: str | None
    until: str | None
    names: int | None
    networks: int | None
    orders: int | None
    base: int | None
    difference: DifferenceShown | None
    periods: list[PeriodShown]
    content: NotRequired[str]
    digest: NotRequired[str]
    compiled: NotRequired[str]
    damaged: NotRequired[str]


class VersionAnswer(VersionInBrief):
    """A version with what is known of it by feed."""

    feeds: list[FeedPartShown]
    rejects: dict[str, object]
    held: dict[str, object]


class VersionsAnswer(TypedDict):
    """The versions kept."""

    current: int | None
    pinned: int | None
    max_size: int
    versions: list[VersionInBrief]


class OrderChanged(TypedDict):
    """An order that came, went or changed."""

    feed: str
    type: str
    called: str
    id: str
    role: str
    action: str
    names: int


class OrdersChanged(TypedDict):
    """The first orders that did; `more` has how many others did, of each kind."""

    came: list[OrderChanged]
    went: list[OrderChanged]
    changed: list[OrderChanged]
    more: dict[str, int]


class EntryHeld(TypedDict):
    """An entry that is held back or reported on one side only."""

    entry: str
    reason: str
    held: bool


class HeldChanges(TypedDict):
    """What is, of one feed."""

    came: list[EntryHeld]
    came_more: int
    went: list[EntryHeld]
    went_more: int


class PopularName(TypedDict):
    """A popular name, by its rank from 1, and the entry that covers it."""

    rank: int
    name: str
    entry: str


class PopularChanged(TypedDict):
    """Popular names that are covered now, or no longer; `ranked` says whether their order is a rank."""

    ranked: bool
    covered: list[PopularName]
    no_longer_covered: list[PopularName]
    counts: dict[str, int]


class ContradictionsChanged(TypedDict):
    """Contradictions between authorities that came and went; `is_whole` says whether these are all."""

    came: list[dict[str, object]]
    went: list[dict[str, object]]
    is_whole: bool


class RulesetChanges(TypedDict):
    """What changes in a ruleset; of names and entries the first ones, all are counted."""

    added: int
    removed: int
    changed: int
    added_names: list[str]
    removed_names: list[str]
    orders: OrdersChanged
    popular: PopularChanged
    contradictions: ContradictionsChanged


class DiffAnswer(RulesetChanges):
    """What changes from one version to another."""

    old: int
    new: int
    held: dict[str, HeldChanges]


class RefusedShown(TypedDict):
    """Why a content is refused."""

    reason: str
    sentence: str


class AcceptPreviewAnswer(TypedDict):
    """A feed's refused content, and what taking it would change; that is null if nothing is enforced yet."""

    feed: str
    digest: str
    refused: RefusedShown
    names_before: int
    names: int
    rejected: int
    held: dict[str, object]
    changes: RulesetChanges | None


class EntryWaiting(TypedDict):
    """An entry that is held back or reported."""

    entry: str
    scope: str
    reason: str
    held: bool
    line: ListLine | None


class FeedWaiting(TypedDict):
    """The entries of a feed that are."""

    held: int
    reported: int
    entries: list[EntryWaiting]
    more: int


class WaitingAnswer(TypedDict):
    """What waits for an operator's word, by feed; `refused` has contents that may be accepted."""

    version: int | None
    feeds: dict[str, FeedWaiting]
    releases: list[ReleaseShown]
    refused: dict[str, dict[str, object]]


EndingShown = TypedDict(
    "EndingShown",
    {"kind": EndingKind, "what": str, "ends": str, "in": int, "sentence": BothLanguages, "href": str},
)


class EndingAnswer(TypedDict):
    """What ends within a time, in seconds, the first to end first; `more` is how many are not shown."""

    within: float
    items: list[EndingShown]
    more: int
