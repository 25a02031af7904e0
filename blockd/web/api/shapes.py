"""The shapes of answers: the keys of each JSON object, which are part of the API."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Problem(TypedDict):
    """An error (RFC 9457): `detail` is a sentence, which `error` repeats for programs that know no problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: NotRequired[str]
    error: str


class Holds(TypedDict):
    """Whether a condition holds, and the reason in one sentence."""

    ok: bool
    reason: str


class RefreshedFeed(TypedDict):
    """Result of polling a feed, `new` if nothing was to be enforced; `why` is a sentence."""

    outcome: Literal["enforced", "unchanged", "refused", "waiting", "new"]
    why: NotRequired[str]


class RefreshAnswer(TypedDict):
    """Result of a refresh, by feed, and the version in force afterwards."""

    feeds: dict[str, RefreshedFeed]
    version: int | None


class HintAnswer(TypedDict):
    """The names of the feeds that are polled soon."""

    feeds: list[str]


class RollbackAnswer(TypedDict):
    """What is in force, and what is pinned."""

    version: int | None
    pinned: int | None


StatusAnswer = LookupAnswer = TrafficAnswer = CacheAnswer = OrdersAnswer = dict[str, object]
OverrideAnswer = AcceptAnswer = HeldAnswer = FlushAnswer = StatementAnswer = dict[str, object]
