"""JSON Schema 2020-12 of what routes ask for and answer, from the classes that say so.

A dataclass of `blockd.web.api.asked` becomes the object that it reads. Any other, and a typed
dictionary, becomes an object with just its keys: an answer with another key is not what was promised.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass

from blockd.web.api.asked import Field, FieldInfo, alternatives_of, examples_of, fields_of

Schema = dict[str, typing.Any]

_PLAIN: Mapping[typing.Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    object: {},
    typing.Any: {},
}


class Schemas:
    """The schemas of named types, each written once; the others refer to them."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}

    def asked(self, kind: typing.Any) -> Schema:
        """Return the schema of a dataclass that a body is read into."""
        return self._named(kind, self._asked)

    def of(self, kind: typing.Any) -> Schema:
        """Return the schema of a type that is answered; it is named if it is a class."""
        if (plain := _PLAIN.get(kind)) is not None:
            return dict(plain)
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Annotated, typing.Required, typing.NotRequired):
            return self.of(inner[0])
        if origin is typing.Literal:
            return {"enum": list(inner)} if len(inner) > 1 else {"const": inner[0]}
        if origin in (list, tuple, Sequence):
            return {"type": "array", "items": self.of(inner[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.of(one) for one in inner]}
        return self._named(kind, self._answered)

    def parameters(self, kind: type) -> list[Schema]:
        """Return the parameters of a query that a dataclass reads."""
        return [
            {
                "name": field.name,
                "in": "query",
                "required": field.is_needed,
                "description": _sentence(field.about.what),
                "schema": _query_schema(self, field),
                **({"style": "form", "explode": False} if typing.get_origin(field.kind) is list else {}),
            }
            for field in fields_of(kind)
        ]

    def _named(self, kind: typing.Any, make: Callable[[typing.Any], Schema]) -> Schema:
        name = kind.__name__
        if name not in self.named:
            self.named[name] = {}  # for one that holds itself
            self.named[name] = make(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _asked(self, kind: typing.Any) -> Schema:
        fields = fields_of(kind)
        schema = _object(
            kind,
            {field.name: self._field(field) for field in fields},
            [field.name for field in fields if field.is_needed],
        )
        if alternatives := alternatives_of(kind):
            schema["oneOf"] = [{"required": [name]} for name in alternatives]
        if examples := examples_of(kind):
            schema["description"] += f" For example {' or '.join(examples)}."
        return schema

    def _answered(self, kind: typing.Any) -> Schema:
        hints = typing.get_type_hints(kind, include_extras=True)
        required = [name for name, hint in hints.items() if typing.get_origin(hint) is not typing.NotRequired]
        return _object(kind, {name: self.of(hint) for name, hint in hints.items()}, sorted(required))

    def _field(self, field: Field) -> Schema:
        kind = field.kind
        schema = self.asked(kind) if is_dataclass(kind) else _bounded(self.of(kind), field.about)
        if field.may_be_null:
            schema = {"anyOf": [schema, {"type": "null"}]}
        return {**schema, "description": _sentence(field.about.what)} if "$ref" not in schema else schema


def _object(kind: typing.Any, properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _bounded(schema: Schema, about: FieldInfo) -> Schema:
    match schema.get("type"):
        case "string":
            return {**schema, "maxLength": about.most, **({"minLength": about.least} if about.least else {})}
        case "integer":
            return {**schema, "minimum": about.least, "maximum": about.number_most}
        case "array":
            return {**schema, "items": _bounded(schema["items"], about), "maxItems": about.items}
    return schema


def _query_schema(schemas: Schemas, field: Field) -> Schema:
    return _bounded(schemas.of(field.kind), field.about)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else text
