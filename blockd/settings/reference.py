"""The table of all config keys, made from the sections themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from blockd.settings.feeds import FEED_TYPES
from blockd.settings.model import Settings
from blockd.settings.section import section_of

REQUIRED = "required"


def reference() -> list[tuple[str, str, str]]:
    """Give path, default and meaning of every key, in the file's order.

    A default is written as the file would write it, `required` where there is none. A feed's keys stand once for each
    type, as `feeds[signed].url`.
    """
    rows = list(_rows("", Settings))
    for kind, model in FEED_TYPES.items():
        rows += _rows(f"feeds[{kind}].", model)
    return rows


def _rows(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is None or inner is not field.annotation:
            yield f"{prefix}{name}", _default_text(field), field.description or ""
        if inner is not None:
            yield from _rows(f"{prefix}{name}.", inner)


def _default_text(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["default"])
    return REQUIRED if field.is_required() else _written(field.default)


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return {"": '""', None: "none"}.get(value, str(value))
