"""What every section of the config file has in common."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from blockd.orders.fields import MAX_TEXT, fit_text

MAX_SHORT_TEXT = 200  # characters of a name or a contact: one line of a page


class Section(BaseModel):
    """A frozen section: unknown keys are errors, and defaults are parsed as if the file had held them."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


# What an order document would not take may not come in by the config either: a ruleset could not be read back.
ShortText = Annotated[str, Field(strict=True, max_length=MAX_SHORT_TEXT), AfterValidator(fit_text)]
LongText = Annotated[str, Field(strict=True, max_length=MAX_TEXT), AfterValidator(fit_text)]
Whole = Annotated[int, Field(strict=True)]


def section_of(annotation: object) -> type[BaseModel] | None:
    """Give the section that a field holds, or may hold; None where it holds a value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def keys_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give a section's fields by the keys that the file has for them."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def setting(default: Any, meaning: str, **limits: Any) -> Any:
    """Give a field whose default is written as the file would write it, and so has another type than its value."""
    return Field(default, description=meaning, **limits)
