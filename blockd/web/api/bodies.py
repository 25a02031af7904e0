"""What commands ask for in the body of their request, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from blockd.orders.operator_line import MAX_LINE
from blockd.settings.paths_and_urls import MAX_PATH
from blockd.web.api.asked import Choice, FieldInfo

MAX_PROGRAM = 1024  # octets, and so characters at most, of a program's path: an upgrade is told in one message

_REASON = FieldInfo("why, in one line; the audit log keeps it", most=MAX_LINE, least=1)
_ANY_REASON = FieldInfo("why, in one line; the audit log keeps it", most=MAX_LINE)  # or none
_AS = FieldInfo("the officer who decided it, if that is not who asks", most=MAX_LINE)
_FEED = FieldInfo("a feed's name", least=1)


@dataclass(frozen=True, slots=True)
class FeedsToFetch:
    """The feeds to fetch; none given means all."""

    feeds: Annotated[list[str] | None, _FEED] = None

    EXAMPLES: ClassVar = ('{"feeds": ["national"]}', "{}")


@dataclass(frozen=True, slots=True)
class FeedToPoll:
    """The feed to poll soon; none given means all signed ones."""

    feed: Annotated[str | None, _FEED] = None

    EXAMPLES: ClassVar = ('{"feed": "national"}', "{}")


@dataclass(frozen=True, slots=True)
class VersionToEnforce(Choice):
    """A version to go back to and pin, or that the one pinned is released."""

    reason: Annotated[str, _REASON]
    version: Annotated[int | None, FieldInfo("a version that is kept", least=1)] = None
    release: Annotated[Literal[True] | None, FieldInfo("have the newest version enforced again")] = None

    ALTERNATIVES: ClassVar = ("version", "release")
    EXAMPLES: ClassVar = ('{"version": 3, "reason": "why"}', '{"release": true, "reason": "why"}')


@dataclass(frozen=True, slots=True)
class ConfigReload:
    """The config on disk, to be taken, or with `dry_run` to be checked only."""

    dry_run: Annotated[bool, FieldInfo("change nothing, and tell what would be changed")] = False
    reason: Annotated[str, _ANY_REASON] = ""
    config: Annotated[
        str, FieldInfo("the config file that is meant; empty for whichever blockd runs by", most=MAX_PATH)
    ] = ""

    EXAMPLES: ClassVar = ('{"dry_run": true}', '{"reason": "why"}')


@dataclass(frozen=True, slots=True)
class ProgramToRun:
    """The program that is to take the place of the running one, or with `dry_run` to be tried only."""

    program: Annotated[
        str, FieldInfo("its whole path; empty for the path that blockd was started by", most=MAX_PROGRAM)
    ] = ""
    dry_run: Annotated[bool, FieldInfo("only have it try itself")] = False
    reason: Annotated[str, _ANY_REASON] = ""

    EXAMPLES: ClassVar = ('{"dry_run": true}', '{"program": "/opt/blockd-0.2.0/bin/blockd", "reason": "why"}')


@dataclass(frozen=True, slots=True)
class OverrideToAdd:
    """A name to let resolve for a time."""

    name: Annotated[str, FieldInfo("a name", least=1)]
    reason: Annotated[str, _REASON]
    until: Annotated[str, FieldInfo("when it ends: a date, or a time in UTC", least=1)]
    scope: Annotated[str, FieldInfo("`exact`, `subdomains` or `both`; both if it is not given")] = ""
    as_: Annotated[str, _AS] = ""


@dataclass(frozen=True, slots=True)
class OverrideToEnd:
    """A name whose override ends."""

    name: Annotated[str, FieldInfo("a name", least=1)]
    reason: Annotated[str, _REASON]


@dataclass(frozen=True, slots=True)
class OverrideChange(Choice):
    """A local override to add, or to end."""

    add: Annotated[OverrideToAdd | None, FieldInfo("the override to add")] = None
    end: Annotated[OverrideToEnd | None, FieldInfo("the override to end")] = None

    ALTERNATIVES: ClassVar = ("add", "end")
    EXAMPLES: ClassVar = (
        '{"add": {"name": "example.org", "reason": "why", "until": "2026-12-31"}}',
        '{"end": {"name": "example.org", "reason": "why"}}',
    )


@dataclass(frozen=True, slots=True)
class EntryToRelease:
    """An entry that the gate holds back, to be let through."""

    name: Annotated[str, FieldInfo("an entry that is held back", least=1)]
    reason: Annotated[str, _REASON]
    as_: Annotated[str, _AS] = ""


@dataclass(frozen=True, slots=True)
class EntryToHold:
    """An entry that was let through, to be held back again."""

    name: Annotated[str, FieldInfo("an entry that was let through", least=1)]
    reason: Annotated[str, _REASON]


@dataclass(frozen=True, slots=True)
class HeldChange(Choice):
    """An entry to let through, or to hold back again."""

    release: Annotated[EntryToRelease | None, FieldInfo("the entry to let through")] = None
    hold: Annotated[EntryToHold | None, FieldInfo("the entry to hold back again")] = None

    ALTERNATIVES: ClassVar = ("release", "hold")
    EXAMPLES: ClassVar = (
        '{"release": {"name": "co.id", "reason": "why"}}',
        '{"hold": {"name": "co.id", "reason": "why"}}',
    )


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A feed's content that the gate refused, to be taken once."""

    feed: Annotated[str, _FEED]
    digest: Annotated[str, FieldInfo("the SHA-256 of what was shown", least=1)]
    reason: Annotated[str, _REASON]
    as_: Annotated[str, _AS] = ""

    EXAMPLES: ClassVar = ('{"feed": "national", "digest": "SHA-256 of what was shown", "reason": "why"}',)


@dataclass(frozen=True, slots=True)
class CacheToFlush(Choice):
    """What to remove from the workers' caches."""

    name: Annotated[str | None, FieldInfo("what is cached of this name")] = None
    below: Annotated[str | None, FieldInfo("what is cached of this name and all below it")] = None
    all: Annotated[Literal[True] | None, FieldInfo("all that is cached")] = None

    ALTERNATIVES: ClassVar = ("name", "below", "all")
    EXAMPLES: ClassVar = ('{"name": "example.org"}', '{"below": "example.org"}', '{"all": true}')

    def chosen(self) -> tuple[str, str]:
        """Return `name`, `below` or `all`, and the name, which is empty for all."""
        kind, value = Choice.chosen(self)
        return kind, "" if value is True else value


@dataclass(frozen=True, slots=True)
class TokenToSignIn:
    """The token with which a browser signs in."""

    token: Annotated[str, FieldInfo("a token, as `blockd token add` printed it")] = ""

    EXAMPLES: ClassVar = ('{"token": "blockd_…"}',)
