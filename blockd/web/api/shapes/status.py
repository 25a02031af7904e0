"""Shapes of the status. What is `object` in it is described in the manual's chapter about monitoring."""

from __future__ import annotations

from typing import TypedDict

from blockd.web.api.shapes.changed import ReloadsAnswer


class FeedShown(TypedDict):
    """A feed of the config; null stands for what is not known yet."""

    name: str
    type: str
    priority: int
    phase: str
    phase_words: str
    names: int
    rejected: int
    held: dict[str, object]
    digest: str | None
    version: str | None
    age_seconds: float | None
    next_poll: str | None
    expires: str | None
    ended: bool
    at_expiry: str
    refusal: str | None
    acceptable: dict[str, object] | None
    refused: dict[str, int]
    stale: int
    authorities: list[dict[str, object]]
    mirrors: list[dict[str, object]]
    refused_orders: list[dict[str, object]]
    notes: list[str]
    limits: dict[str, dict[str, float | None]]


class FeedsAnswer(TypedDict):
    """The feeds of the config."""

    feeds: list[FeedShown]


class RulesetShown(TypedDict):
    """The version in force."""

    version: int
    digest: str
    compiled: str
    names: int
    networks: int
    orders: dict[str, int]
    verified_age_seconds: int | None


class WorkerShown(TypedDict):
    """A worker."""

    index: int
    pid: int | None
    enforcing: int | None


class StatusAnswer(TypedDict):
    """The whole status."""

    version: str
    engine: str
    since: str
    config: dict[str, object]
    reload: ReloadsAnswer
    listen: list[str]
    bound: dict[str, object]
    resolution: dict[str, object]
    upstreams: list[dict[str, object]]
    certificates: list[dict[str, object]]
    ruleset: RulesetShown | None
    pinned: dict[str, object] | None
    feeds: list[FeedShown]
    groups: list[dict[str, object]]
    workers: list[WorkerShown]
    page: dict[str, object] | None
    decide: dict[str, object] | None
    self_test: dict[str, object] | None
    overrides: list[dict[str, object]]
    contradictions: dict[str, object]
    audit: dict[str, object]
    compiling: dict[str, object] | None
    disk: dict[str, object]
    open_files: dict[str, object]
    confinement: dict[str, object]
    alarms: list[dict[str, object]]
    notes: list[str]


class TrafficAnswer(TypedDict):
    """A sketch of recent traffic: its key in hexadecimal, its cells compressed, in base64."""

    key: str
    cells: str
