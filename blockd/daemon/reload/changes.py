"""What is another in a config than in the one in force, as an operator reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from blockd.daemon.processes.children import Kind
from blockd.daemon.reload.sections import AT_A_START, concerned_by
from blockd.settings import Settings
from blockd.settings.feeds.base import shown_place
from blockd.settings.section import keys_of
from blockd.settings.values import OCTETS, SECONDS

ORDER: tuple[Kind, ...] = ("worker", "page", "decide", "control")  # in which processes are replaced
MAX_SHOWN = 60  # letters of a value that is shown


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A setting that is another, by its path in the file, and what has happened to it."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """All that is another; `restart` are the paths of what only a restart takes."""

    changes: tuple[ConfigChange, ...] = ()

    @classmethod
    def between(cls, before: Settings, after: Settings, files: Sequence[ConfigChange] = ()) -> ConfigChanges:
        """Return what differs; `files` are those that the config names, and whose content is another."""
        return cls((*_of_section("", before, after), *files))

    @property
    def restart(self) -> tuple[str, ...]:
        """The settings that only a restart takes."""
        return tuple(change.path for change in self.changes if change.path in AT_A_START)

    @property
    def replaced(self) -> tuple[Kind, ...]:
        """The kinds of processes that are replaced, in the order in which that is done."""
        concerned = {kind for change in self.changes for kind in concerned_by(change.path)}
        return tuple(kind for kind in ORDER if kind in concerned)


def _of_section(path: str, before: BaseModel, after: BaseModel) -> Iterator[ConfigChange]:
    for key, field in keys_of(type(before)).items():
        name = next(one for one, model in type(before).model_fields.items() if model is field)
        earlier, now = getattr(before, name), getattr(after, name, None)
        if earlier != now:
            yield from _of_value(f"{path}.{key}" if path else key, earlier, now, str(field.default))


def _of_value(path: str, before: Any, after: Any, like: str = "") -> Iterator[ConfigChange]:
    """Say what has become of a value; `like` is how such a value is written in the file."""
    if isinstance(before, BaseModel) and type(before) is type(after):
        yield from _of_section(path, before, after)
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _of_list(path, before, after)
    elif isinstance(before, bool | int | float | str) and isinstance(after, bool | int | float | str):
        yield ConfigChange(path, f"{_shown(before, like)} becomes {_shown(after, like)}")
    else:
        yield ConfigChange(path, "changed")


def _of_list(path: str, before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[ConfigChange]:
    """Say what was added, removed and changed: of what has a name by that, else of equal entries."""
    named = [{_name_of(one): one for one in values} for values in (before, after)]
    if None in named[0] or None in named[1]:
        added = sum(one not in before for one in after)
        removed = sum(one not in after for one in before)
        counts = [f"{count} {word}" for count, word in ((added, "added"), (removed, "removed")) if count]
        yield ConfigChange(path, ", ".join(counts) or "in another order")
        return
    earlier, now = named
    for name in earlier:
        if name not in now:
            yield ConfigChange(f"{path}.{name}", "removed")
        elif earlier[name] != now[name]:
            yield from _of_value(f"{path}.{name}", earlier[name], now[name])
    for name in now:
        if name not in earlier:
            yield ConfigChange(f"{path}.{name}", "added")
    if [name for name in earlier if name in now] != [name for name in now if name in earlier]:
        yield ConfigChange(path, "in another order")


def _name_of(value: Any) -> str | None:
    """Return what an entry of a list is called; None for one without a name."""
    found = getattr(value, "name", None) or getattr(value, "zone", None)
    return found if isinstance(found, str) and isinstance(value, BaseModel) else None


def _shown(value: object, like: str = "") -> str:
    """Return a value as it is written in the file, where another one is written as `like` says."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if like.endswith("%"):
            return f"{value * 100:g}%"
        if re.fullmatch(r"[0-9.]+(?:ms|[smhd])", like):
            return _in_units(value, SECONDS) or f"{value * 1000:g}ms"
        if re.fullmatch(r"[0-9.]+[KMGT]", like):
            return _in_units(value, OCTETS) or f"{value:g}"
        return f"{value:g}" if isinstance(value, float) else str(value)
    text = str(value).lower() if isinstance(value, bool) else shown_place(str(value))  # which may have a password
    return repr(text) if not text else text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _in_units(value: float, units: Mapping[str, float]) -> str:
    """Return a number in the largest unit of which it is a multiple, the largest last in `units`; empty if in none."""
    return next((f"{value / one:g}{unit}" for unit, one in reversed(list(units.items())) if value % one == 0), "")
