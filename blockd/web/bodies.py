"""What the bodies and queries of requests at the admin port ask for; all else is refused in one sentence."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping

from blockd.errors import CommandError
from blockd.ruleset.versions.version_record import MAX_REASON

MAX_NAME = 1024  # characters of a name to override, and of the texts beside it

_Kinds = dict[str, tuple[set[str], set[str]]]
"""The texts that each kind of change requires, and those that it accepts."""

_OVERRIDES: _Kinds = {
    "add": ({"name", "reason", "until"}, {"name", "reason", "until", "scope", "as"}),
    "end": ({"name", "reason"}, {"name", "reason"}),
}


_NEEDED_OF_OVERRIDES = (
    '{"add": {"name": "example.org", "reason": "why", "until": "2026-12-31"}}, optionally with scope and as, or '
    '{"end": {"name": "example.org", "reason": "why"}}'
)
_HELD: _Kinds = {
    "release": ({"name", "reason"}, {"name", "reason", "as"}),
    "hold": ({"name", "reason"}, {"name", "reason"}),
}
_NEEDED_OF_HELD = (
    '{"release": {"name": "co.id", "reason": "why"}}, optionally with as, or '
    '{"hold": {"name": "co.id", "reason": "why"}}'
)


def _decoded(body: bytes) -> object:
    try:
        decoded: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CommandError("The body is not valid JSON.") from error
    return decoded


def feeds_of(body: bytes) -> list[str] | None:
    """Return the feeds that a body asks for, None for all; raises CommandError."""
    if not body.strip():
        return None
    asked = _decoded(body)
    names = asked.get("feeds") if isinstance(asked, dict) and asked.keys() <= {"feeds"} else 0
    if names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return names
    raise CommandError('The body must be {"feeds": ["name", …]}, or empty for all feeds.')


def hinted_feed(body: bytes) -> str | None:
    """Return the feed that a body hints at, None for all signed ones; raises CommandError."""
    if not body.strip():
        return None
    asked = _decoded(body)
    name = asked.get("feed") if isinstance(asked, dict) and asked.keys() <= {"feed"} else 0
    if name is None or isinstance(name, str):
        return name
    raise CommandError('The body must be {"feed": "name"}, or empty for all signed feeds.')


def version_and_reason(body: bytes) -> tuple[int | None, str]:
    """Return the version that a body asks for, None for a release, and the reason; raises CommandError."""
    asked = _decoded(body)
    if isinstance(asked, dict) and (asked.keys() <= {"version", "reason"} or asked.keys() <= {"release", "reason"}):
        version, reason = asked.get("version"), asked.get("reason", "")
        if (type(version) is int or asked.get("release") is True) and isinstance(reason, str):
            if len(reason) > MAX_REASON or not reason.isprintable():
                raise CommandError(f"A reason is one line of at most {MAX_REASON} characters; nothing was changed.")
            return version, reason.strip()
    raise CommandError('The body must be {"version": 3, "reason": "why"} or {"release": true}; nothing was changed.')


def override_of(body: bytes) -> tuple[str, dict[str, str]]:
    """Return `add` or `end`, with the texts of the override; raises CommandError."""
    return _asked(body, _OVERRIDES, _NEEDED_OF_OVERRIDES)


def held_change(body: bytes) -> tuple[str, dict[str, str]]:
    """Return `release` or `hold`, with the texts of the change; raises CommandError."""
    return _asked(body, _HELD, _NEEDED_OF_HELD)


def _asked(body: bytes, kinds: _Kinds, needed_text: str) -> tuple[str, dict[str, str]]:
    """Return which of some kinds of change a body asks for, with its texts; raises CommandError."""
    asked = _decoded(body)
    if isinstance(asked, dict) and len(asked) == 1:
        (kind, texts), *_ = asked.items()
        needed, allowed = kinds.get(kind, (set(), set()))
        is_whole = needed and isinstance(texts, dict) and needed <= texts.keys() <= allowed
        if is_whole and all(isinstance(text, str) and len(text) <= MAX_NAME for text in texts.values()):
            return kind, texts
    raise CommandError(f"The body must be {needed_text}; nothing was changed.")


def acceptance_of(body: bytes) -> dict[str, str]:
    """Return the texts of an acceptance; raises CommandError."""
    asked: typing.Any = _decoded(body)
    needed = {"feed", "digest", "reason"}
    is_whole = isinstance(asked, dict) and needed <= asked.keys() <= needed | {"as"}
    if is_whole and all(isinstance(text, str) and len(text) <= MAX_NAME for text in asked.values()):
        return dict(asked)
    raise CommandError(
        'The body must be {"feed": "name", "digest": "the SHA-256 of what was shown", "reason": "why"}, optionally '
        "with as; nothing was changed."
    )


def flush_of(body: bytes) -> tuple[str, str]:
    """Return `name`, `below` or `all`, and the name, which is empty for all; raises CommandError."""
    asked: typing.Any = _decoded(body)
    if isinstance(asked, dict) and len(asked) == 1:
        ((kind, value),) = asked.items()
        if kind == "all" and value is True:
            return kind, ""
        if kind in ("name", "below") and isinstance(value, str) and len(value) <= MAX_NAME:
            return kind, value
    raise CommandError(
        'The body must be {"name": "example.org"}, {"below": "example.org"} for what is under it as well, or '
        '{"all": true}; nothing was changed.'
    )


def name_of(query: Mapping[str, list[str]]) -> str:
    """Return the one name that a query has; raises CommandError."""
    if query.keys() != {"name"} or len(query["name"]) != 1 or len(query["name"][0]) > MAX_NAME:
        raise CommandError("Expected exactly one name: /api/cache?name=example.org.")
    return query["name"][0]
