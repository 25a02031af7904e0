"""The table of all config keys, made from the sections themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from blockd.settings.feeds import FEED_TYPES
from blockd.settings.model import Settings
from blockd.settings.section import keys_of, section_of

REQUIRED = "required"


def reference() -> list[tuple[str, str, str]]:
    """Return path, default and meaning of every key, in the file's order.

    A default is written as in the file, or `required` if there is none. A feed's keys are listed once for each type, as
    `feeds[signed].url`.
    """
    rows = list(_rows("", Settings))
    for kind, model in FEED_TYPES.items():
        own = f"feeds[{kind}]."
        inherited = tuple(f"{own}{section}." for section in ("gate", "limits"))
        for path, default, meaning in _rows(own, model):
            rows.append((path, path.removeprefix(own) if path.startswith(inherited) else default, meaning))
    return rows


def _rows(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in keys_of(model).items():
        inner = section_of(field.annotation)
        if inner is None or inner is not field.annotation:
            yield f"{prefix}{name}", _default_text(field), field.description or ""
        if inner is not None:
            part = f"{name}.NAME" if get_origin(field.annotation) is dict else name
            yield from _rows(f"{prefix}{part}.", inner)


def _default_text(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["default"])
    return REQUIRED if field.is_required() else _written(field.default)


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return {"": '""', None: "none"}.get(value, str(value))
