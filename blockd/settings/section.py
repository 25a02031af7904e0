"""The base of every section of the config file."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from blockd.orders.fields import MAX_TEXT, fit_text

MAX_SHORT_TEXT = 200  # characters of a name or a contact: one line of a page


class Section(BaseModel):
    """A frozen section: unknown keys are errors, and defaults are parsed like values of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, defer_build=True)


# Texts that an order document may not have are refused in the config too: such a ruleset could not be read back.
ShortText = Annotated[str, Field(strict=True, max_length=MAX_SHORT_TEXT), AfterValidator(fit_text)]
LongText = Annotated[str, Field(strict=True, max_length=MAX_TEXT), AfterValidator(fit_text)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def section_of(annotation: object) -> type[BaseModel] | None:
    """Return the section that a field holds, or may hold; None if it holds a value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def keys_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a section's fields by their keys in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def setting(default: Any, meaning: str, **limits: Any) -> Any:
    """Return a field whose default is written as in the file, and so has another type than its value."""
    return Field(default, description=meaning, **limits)
