"""What a request asks for: the fields of its query or body, read into the dataclass of its route.

Such a dataclass is the contract of a route and is written once: reading, the schema and the reference are made from its
fields. A field's name with a trailing underscore stands for the name without it (`as_`).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields

from blockd.errors import CommandError

MAX_TEXT = 1024  # characters of a text: more than a name, a reason or a path in ASCII has
MAX_SHOWN = 60  # characters of a wrong name that are repeated
MAX_LIST = 1024  # items of a list: a config has at most 1,000 feeds
MAX_NUMBER = (1 << 53) - 1  # the greatest whole number that every reader of JSON has exactly (RFC 8259 section 6)
FLAG = {"": True, "1": True, "true": True, "0": False, "false": False}  # in a query

_FIELDS: dict[type, tuple[Field, ...]] = {}  # of each dataclass, which never change
_T = typing.TypeVar("_T")


class Malformed(CommandError):
    """A request is not what its route takes; the message says what is, in one sentence."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """What a field is, for people; how many characters a text has, how great a number is, how long a list."""

    what: str
    most: int = MAX_TEXT
    least: int = 0
    number_most: int = MAX_NUMBER
    items: int = MAX_LIST


@dataclass(frozen=True, slots=True)
class Nothing:
    """A route that asks for nothing more."""


class Choice:
    """What asks for one of its fields, ALTERNATIVES, and for exactly one."""

    ALTERNATIVES: typing.ClassVar[tuple[str, ...]]

    def chosen(self) -> tuple[str, typing.Any]:
        """Return the name and the value of the field that is given."""
        return next((name, value) for name in self.ALTERNATIVES if (value := getattr(self, name)) is not None)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of such a dataclass: its name on the wire, its type without None, and what is known of it."""

    name: str
    attribute: str
    kind: typing.Any
    about: FieldInfo
    is_needed: bool
    may_be_null: bool


def fields_of(kind: type) -> tuple[Field, ...]:
    """Return the fields that a dataclass asks for."""
    if kind not in _FIELDS:
        _FIELDS[kind] = _fields_of(kind)
    return _FIELDS[kind]


def _fields_of(kind: type) -> tuple[Field, ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    found = []
    for field in fields(kind):
        hint, about = hints[field.name], FieldInfo("")
        if typing.get_origin(hint) is typing.Annotated:
            hint, about = typing.get_args(hint)
        hint, may_be_null = _without_none(hint)
        is_needed = field.default is MISSING and field.default_factory is MISSING
        name = field.name.removesuffix("_")
        is_alternative = name in alternatives_of(kind)
        found.append(Field(name, field.name, hint, about, is_needed, may_be_null and not is_alternative))
    return tuple(found)


def alternatives_of(kind: type) -> tuple[str, ...]:
    """Return the fields of which exactly one must be there; empty if there are none."""
    return typing.cast(tuple[str, ...], getattr(kind, "ALTERNATIVES", ()))


def examples_of(kind: type) -> tuple[str, ...]:
    """Return examples of a body, as JSON texts."""
    return typing.cast(tuple[str, ...], getattr(kind, "EXAMPLES", ()))


def read(kind: type[_T], given: Mapping[str, object], where: str = "") -> _T:
    """Return the values that were decoded from JSON as `kind`; `where` is the path to them. Raises Malformed."""
    known = {field.name: field for field in fields_of(kind)}
    for name in given:
        if name not in known:
            expected = f"; expected {', '.join(known)}" if known else ""
            raise Malformed(f"{where}{_shown(name)} is not a field of this request{expected}")
    if alternatives := alternatives_of(kind):
        there = [name for name in alternatives if name in given]
        if len(there) != 1:
            raise Malformed(f"{where or 'the request'}: expected exactly one of {', '.join(alternatives)}")
    values = {}
    for name, field in known.items():
        if name in given:
            value = given[name]
            is_none = value is None and field.may_be_null
            values[field.attribute] = None if is_none else _value(field.kind, value, field.about, where + name)
        elif field.is_needed:
            raise Malformed(f"{where + name} is missing")
    return kind(**values)


def read_query(kind: type[_T], given: Mapping[str, list[str]]) -> _T:
    """Return the fields of a query as `kind`; raises Malformed. What is a list is separated by commas."""
    known = {field.name: field for field in fields_of(kind)}
    values: dict[str, object] = {}
    for name, texts in given.items():
        if len(texts) != 1:
            raise Malformed(f"{_shown(name)} is given {len(texts)} times")
        values[name] = _from_text(known[name].kind, texts[0], name) if name in known else texts[0]
    return read(kind, values)


def given_texts(asked: object) -> dict[str, str]:
    """Return the texts of a dataclass whose fields are all texts, by their names on the wire, without empty ones."""
    found = {field.name: str(getattr(asked, field.attribute)) for field in fields_of(type(asked))}
    return {name: text for name, text in found.items() if text}


def _without_none(hint: typing.Any) -> tuple[typing.Any, bool]:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    [kind] = [one for one in typing.get_args(hint) if one is not type(None)]  # a field has one type
    return kind, True


def _from_text(kind: typing.Any, text: str, name: str) -> object:
    if kind is int:
        if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= len(str(MAX_NUMBER)) + 1):
            raise Malformed(f"{name}: expected a whole number")
        return int(text)
    if kind is bool:
        if text not in FLAG:
            raise Malformed(f"{name}: expected true or false")
        return FLAG[text]
    if typing.get_origin(kind) is list:
        return text.split(",", MAX_LIST + 1) if text else []
    return text


def _value(kind: typing.Any, value: object, about: FieldInfo, where: str) -> object:
    if typing.get_origin(kind) is typing.Literal:
        allowed = typing.get_args(kind)
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise Malformed(f"{where}: expected {' or '.join(map(_shown, allowed))}")
    elif typing.get_origin(kind) is list:
        if not isinstance(value, list) or len(value) > about.items:
            raise Malformed(f"{where}: expected a list of at most {about.items} items")
        [inner] = typing.get_args(kind)
        return [_value(inner, item, about, f"{where}[{index}]") for index, item in enumerate(value)]
    elif kind is str:
        _check_text(value, about, where)
    elif kind is bool:
        if type(value) is not bool:
            raise Malformed(f"{where}: expected true or false")
    elif kind is int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 3.0 is the same number as 3 (JSON Schema, section 4.2.3)
        if type(value) is not int or not about.least <= value <= about.number_most:
            raise Malformed(f"{where}: expected a whole number from {about.least} to {about.number_most}")
    else:
        if not isinstance(value, dict):
            raise Malformed(f"{where}: expected an object")
        return read(kind, value, f"{where}.")
    return value


def _check_text(value: object, about: FieldInfo, where: str) -> None:
    if not isinstance(value, str) or not about.least <= len(value) <= about.most:
        least = f"{about.least} to " if about.least else "at most "
        raise Malformed(f"{where}: expected a text of {least}{about.most} characters")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Malformed(f"{where}: has a surrogate, which stands for no character (RFC 3629 section 3)")


def _shown(value: object) -> str:
    """Return a value, or the beginning of a name that somebody sent, as it is written."""
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return f"{value[:MAX_SHOWN]!r}…"
    return str(value).lower() if isinstance(value, bool) else repr(value)
