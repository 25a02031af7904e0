"""Values as JSON and back, by their types: dataclasses, named tuples, models of the config, and what they are made of.

Reading makes exactly what the types say, or raises ValueError: whatever another process sends, nothing else comes out.
A type is what is written in the annotation of a field; of a base class of feeds, any class of feeds.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import ipaddress
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from blockd.daemon.interchange.failures import failure_of, failure_values
from blockd.errors import BlockdError
from blockd.settings import Feed, OverridesFeed
from blockd.settings.feeds import FEED_CLASSES

T = TypeVar("T")

_FEEDS = {cls.__name__: cls for cls in (*FEED_CLASSES, OverridesFeed)}
_TEXTS = (ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network, Path)


def to_values(value: Any, kind: Any) -> Any:
    """Return a value of a type as JSON values; raises TypeError if it is none."""
    return _codec(kind)[0](value)


def from_values(values: Any, kind: type[T]) -> T:
    """Return what `to_values` was given; raises ValueError for anything else."""
    try:
        made: T = _codec(kind)[1](values)
    except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"it is no {getattr(kind, '__name__', kind)}") from error
    return made


_Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]  # how a value is written, and how it is read


@functools.cache
def _codec(kind: Any) -> _Codec:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _codec(args[0])
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is Literal:
        return _plain, lambda values: _one_of(values, args)
    if kind is bytes:
        return _text_of, _octets_of
    if kind in (bool, int, float, str, type(None)):
        return _plain, functools.partial(_exactly, kind)
    if origin in (dict, Mapping) and args[0] is bytes and args[1] is int:
        return _packed_numbers, _numbers_of
    if origin in (frozenset, set) and args[0] is bytes:
        return _packed, lambda values: origin(_keys_of(values))
    if origin in (dict, Mapping):
        return _mapping(args)
    if origin in (tuple, list, set, frozenset, Sequence, Set):
        return _series(origin, args)
    if isinstance(kind, type):
        return _of_class(kind)
    raise TypeError(f"{kind} cannot be handed to another process")


def _of_class(kind: type) -> _Codec:
    if issubclass(kind, Enum):
        return lambda value: value.value, kind
    if issubclass(kind, BlockdError):
        return failure_values, lambda values: failure_of(values, kind)
    if issubclass(kind, _TEXTS):
        return str, lambda values: kind(_exactly(str, values))
    if kind is Feed:
        return _feed, lambda values: _codec(_FEEDS[_exactly(str, values[0])])[1](values[1])
    if issubclass(kind, BaseModel):
        return _model(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        names = [field.name for field in dataclasses.fields(kind) if field.init]
        return _fields(kind, {name: hints[name] for name in names})
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _fields(kind, typing.get_type_hints(kind))
    raise TypeError(f"{kind} cannot be handed to another process")


def _fields(kind: Any, hints: dict[str, Any]) -> _Codec:
    codecs: dict[str, _Codec] = {}

    def known() -> dict[str, _Codec]:  # not at once: a class may contain itself
        if not codecs:
            codecs.update({name: _codec(hint) for name, hint in hints.items()})
        return codecs

    def read(values: Any) -> Any:
        _exactly(dict, values)
        if values.keys() != known().keys():
            raise ValueError(f"it has other members than {kind.__name__}")
        return kind(**{name: codec[1](values[name]) for name, codec in known().items()})

    return lambda value: {name: codec[0](getattr(value, name)) for name, codec in known().items()}, read


def _model(kind: type[BaseModel]) -> _Codec:
    codecs: dict[str, _Codec] = {}

    def known() -> dict[str, _Codec]:
        if not codecs:
            codecs.update({name: _codec(field.annotation) for name, field in kind.model_fields.items()})
        return codecs

    def read(values: Any) -> Any:
        _exactly(dict, values)
        members, given = values["members"], values["given"]
        if members.keys() != known().keys() or not set(given) <= members.keys():
            raise ValueError(f"it has other members than {kind.__name__}")
        made = {name: codec[1](members[name]) for name, codec in known().items()}
        return kind.model_construct(_fields_set=set(given), **made)

    def write(value: Any) -> Any:
        members = {name: codec[0](getattr(value, name)) for name, codec in known().items()}
        return {"members": members, "given": sorted(value.model_fields_set)}

    return write, read


def _feed(feed: Any) -> list[Any]:
    name = type(feed).__name__
    return [name, _codec(_FEEDS[name])[0](feed)]


def _union(kinds: tuple[Any, ...]) -> _Codec:
    """Write which of the types a value has, beside it; None alone needs no mark."""

    def write(value: Any) -> Any:
        if value is None:
            return None
        for number, kind in enumerate(kinds):
            if _is_of(value, kind):
                return [number, _codec(kind)[0](value)]
        raise TypeError(f"{type(value)} is none of {kinds}")

    def read(values: Any) -> Any:
        if values is None and type(None) in kinds:
            return None
        number, inner = _exactly(list, values)
        return _codec(kinds[_index(number, len(kinds))])[1](inner)

    return write, read


def _is_of(value: Any, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin is Annotated:
        return _is_of(value, get_args(kind)[0])
    if origin is Literal:
        return value in get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_is_of(value, one) for one in get_args(kind))
    if kind is float:
        return type(value) in (float, int)
    return isinstance(value, origin or kind) and (kind is not int or type(value) is not bool)


def _mapping(args: tuple[Any, ...]) -> _Codec:
    keys, members = _codec(args[0]), _codec(args[1])

    def read(values: Any) -> dict[Any, Any]:
        return {keys[1](key): members[1](member) for key, member in _exactly(list, values)}

    return lambda value: [[keys[0](key), members[0](member)] for key, member in value.items()], read


def _series(origin: Any, args: tuple[Any, ...]) -> _Codec:
    made = {Sequence: tuple, Set: frozenset}.get(origin, origin)
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        codecs = [_codec(arg) for arg in args]
        return (
            lambda value: [codec[0](one) for codec, one in zip(codecs, value, strict=True)],
            lambda values: tuple(codec[1](one) for codec, one in zip(codecs, _exactly(list, values), strict=True)),
        )
    member = _codec(args[0])
    return (
        lambda value: [member[0](one) for one in value],
        lambda values: made(member[1](one) for one in _exactly(list, values)),
    )


def _plain(value: Any) -> Any:
    return value


def _exactly(kind: type, values: Any) -> Any:
    """Return JSON values of one type; a whole number is a float too, and nothing else is two things."""
    if kind is float and type(values) is int:
        return float(values)
    if type(values) is not kind:
        raise ValueError(f"expected {kind.__name__}, got {type(values).__name__}")
    return values


def _one_of(values: Any, allowed: tuple[Any, ...]) -> Any:
    if values not in allowed:
        raise ValueError("it is none of the values that there are")
    return values


def _index(number: Any, count: int) -> int:
    if type(number) is not int or not 0 <= number < count:
        raise ValueError("there is no such type")
    return number


def _text_of(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets_of(values: Any) -> bytes:
    return base64.b64decode(_exactly(str, values), validate=True)


def _packed(keys: Sequence[bytes] | Set[bytes]) -> list[str]:
    """Write many keys as two texts, which are read a hundred times as quickly as one for each key."""
    ordered = tuple(keys)
    return [_text_of(b"".join(ordered)), _text_of(bytes(map(len, ordered)))]


def _keys_of(values: Any) -> list[bytes]:
    octets, sizes = map(_octets_of, _exactly(list, values))
    if sum(sizes) != len(octets):
        raise ValueError("its keys are cut")
    found, at = [], 0
    for size in sizes:
        found.append(octets[at : at + size])
        at += size
    return found


def _packed_numbers(numbers: Mapping[bytes, int]) -> list[str]:
    """Write many keys with a number each, from 0 to 255."""
    return [*_packed(tuple(numbers)), _text_of(bytes(numbers.values()))]


def _numbers_of(values: Any) -> dict[bytes, int]:
    *keys, numbers = _exactly(list, values)
    return dict(zip(_keys_of(keys), _octets_of(numbers), strict=True))
