"""Errors of blockd as JSON values and back: each of its own class, with nothing but the texts that it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blockd.errors import (
    BlockdError,
    CommandError,
    ConfigError,
    FeedRefused,
    FeedUnreachable,
    FileTooLarge,
    GateRefused,
    RulesetError,
)
from blockd.feeds.reasons import REASONS

MAX_TEXT = 64 << 10  # characters of one sentence: a config with many problems takes less


def failure_values(error: BlockdError) -> list[Any]:
    """Return an error as JSON values; one of a class that is not handed on becomes a RulesetError with its text."""
    match error:
        case FeedUnreachable():
            return ["FeedUnreachable", _cut(error), error.retry_after]
        case GateRefused() | FeedRefused():
            return [type(error).__name__, error.reason, _cut(error)]
        case ConfigError():
            return ["ConfigError", error.source, list(error.problems)]
        case FileTooLarge():
            return ["FileTooLarge", str(error.filename), error.limit]
        case CommandError():
            return ["CommandError", _cut(error)]
        case _:
            return ["RulesetError", _cut(error)]


def failure_of(values: Any, kind: type[BlockdError] = BlockdError) -> BlockdError:
    """Return the error that `failure_values` was given; raises ValueError for anything else than one of `kind`."""
    try:
        name, *parts = values
        made = _MAKERS[name](*parts)
    except (TypeError, KeyError) as error:
        raise ValueError("it is no error of blockd") from error
    if not isinstance(made, kind):
        raise ValueError(f"it is no {kind.__name__}")
    return made


def _refused(kind: type[FeedRefused]) -> Callable[[Any, Any], FeedRefused]:
    def make(reason: Any, sentence: Any) -> FeedRefused:
        if reason not in REASONS:
            raise ValueError("it has a reason that there is not")
        return kind(reason, _text(sentence))

    return make


def _unreachable(sentence: Any, retry_after: Any) -> FeedUnreachable:
    if retry_after is not None and type(retry_after) not in (int, float):
        raise ValueError("it has no time to wait")
    return FeedUnreachable(_text(sentence), retry_after)


def _config(source: Any, problems: Any) -> ConfigError:
    if type(problems) is not list:
        raise ValueError("it has no problems")
    return ConfigError(_text(source), [_text(problem) for problem in problems])


def _too_large(path: Any, limit: Any) -> FileTooLarge:
    if type(limit) is not int:
        raise ValueError("it has no limit")
    return FileTooLarge(_text(path), limit)


def _cut(error: BlockdError) -> str:
    return str(error)[:MAX_TEXT]


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > MAX_TEXT:
        raise ValueError("it has no sentence")
    return value


_MAKERS: dict[str, Callable[..., BlockdError]] = {
    "FeedRefused": _refused(FeedRefused),
    "GateRefused": _refused(GateRefused),
    "FeedUnreachable": _unreachable,
    "ConfigError": _config,
    "FileTooLarge": _too_large,
    "CommandError": lambda sentence: CommandError(_text(sentence)),
    "RulesetError": lambda sentence: RulesetError(_text(sentence)),
}
