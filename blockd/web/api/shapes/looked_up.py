"""Shapes of a lookup."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ListLine(TypedDict):
    """A line of a list."""

    number: int
    text: str


class ClaimShown(TypedDict):
    """An order's claim on what was asked for, whether it decides, and why."""

    entry: str
    scope: str
    feed: str
    role: str
    state: str
    since: str | None
    until: str | None
    stale: bool
    order: dict[str, object]
    priority: NotRequired[int | None]
    decides: NotRequired[bool]
    because: NotRequired[str]
    line: NotRequired[ListLine | None]


class GroupVerdictShown(TypedDict):
    """What happens for the clients of a group."""

    group: str
    verdict: str
    why: str


class MentionShown(TypedDict):
    """A version that lists the name."""

    version: int
    compiled: str


class ListedShown(TypedDict):
    """The versions that list the name."""

    versions_kept: int
    first: MentionShown | None
    last: MentionShown | None
    since_before: bool
    until_now: bool


class StepShown(TypedDict):
    """A name or address that a name leads to."""

    owner: str
    type: str
    to: str
    verdict: str
    decides: bool
    claim: ClaimShown | None
    line: ListLine | None


class ClientAnswerShown(TypedDict):
    """What a client gets."""

    rcode: str
    records: list[str]
    errors: list[str]


class WayShown(TypedDict):
    """Where a question leads."""

    type: str
    outcome: str
    why: str
    steps: list[StepShown]
    steps_left_out: int
    answer: ClientAnswerShown | None


class AliasesShown(TypedDict):
    """Whether a worker was asked where the name leads, and the ways."""

    followed: bool
    why: str | None
    questions: list[WayShown]


class HelpDeskText(TypedDict):
    """What to tell a caller, in both languages."""

    en: str
    id: str


class GroupShown(TypedDict):
    """The group of the client that it is about."""

    name: str
    feeds: list[str]


class ExplanationShown(TypedDict):
    """What happens to a name, an address or a network."""

    name: str
    kind: str
    taken_from: str | None
    verdict: str
    why: str
    entry: NotRequired[str]
    scope: NotRequired[str]
    feed: NotRequired[str]
    role: NotRequired[str]
    state: NotRequired[str]
    since: NotRequired[str | None]
    until: NotRequired[str | None]
    stale: NotRequired[bool]
    order: NotRequired[dict[str, object]]
    version: NotRequired[int]
    compiled: NotRequired[str]
    claims: NotRequired[list[ClaimShown]]
    refused: NotRequired[list[str]]
    group: NotRequired[GroupShown]
    groups: NotRequired[list[GroupVerdictShown]]


class LookupAnswer(ExplanationShown):
    """That, with where the name leads, and what is not known."""

    as_client: NotRequired[ExplanationShown]
    blocked: bool
    held: list[dict[str, object]]
    listed: NotRequired[ListedShown]
    structured_error: NotRequired[dict[str, object]]
    aliases: NotRequired[AliasesShown]
    at: NotRequired[str]
    client: NotRequired[str]
    resolved: NotRequired[dict[str, object]]
    help_desk: NotRequired[HelpDeskText]
    notes: list[str]
