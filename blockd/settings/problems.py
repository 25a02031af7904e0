"""Problems as an operator reads them: `path.to.key[0]: what is wrong; what is allowed`.

pydantic finds most of them and tells them in its own words; here each becomes a sentence of blockd's.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from blockd.settings.feeds import FEED_TYPES
from blockd.settings.model import Settings
from blockd.settings.section import keys_of, section_of
from blockd.settings.values import shown
from blockd.settings.yaml_file import KeyPath, path_text

Context = Mapping[str, Any]

_PATTERNS = {
    "name": "small letters, digits and hyphens inside, 1 to 40 of them",
    "user": "the name of a user: small letters, digits, hyphens and underscores, at most 32 of them",
}
# Told of a default that depends on a field which is itself wrong, and has its own problem.
_ECHOES = frozenset(("default_factory_not_called",))


def problems_of(errors: Sequence[ErrorDetails]) -> list[str]:
    """Give one sentence for each error that pydantic found in `Settings`."""
    return [sentence_of(error) for error in errors if error["type"] not in _ECHOES]


def sentence_of(error: ErrorDetails) -> str:
    """Give the sentence of one error."""
    place, value, context = error["loc"], error.get("input"), error.get("ctx", {})
    tell = _SENTENCES.get(error["type"])
    sentence = tell(place, value, context) if tell else f"{shown(value)} cannot be used; {error['msg']}"
    if error["type"].startswith("union_tag"):
        place = (*place, "type")
    return f"{path_text(_without_tags(place))}: {sentence}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Give the sentence for a key that is not known where it stands."""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if nearest:
        return f"is not known here; did you mean {nearest[0]}?"
    return f"is not known here; allowed are {', '.join(known)}"


def _unknown_key(place: KeyPath, _value: object, _context: Context) -> str:
    return unknown_key(str(place[-1]), list(keys_of(_section_at(place[:-1]))))


def _missing(place: KeyPath, _value: object, _context: Context) -> str:
    return f"is missing. {keys_of(_section_at(place[:-1]))[str(place[-1])].description}"


def _no_section(place: KeyPath, value: object, _context: Context) -> str:
    if place and isinstance(place[-1], int):
        return f"{shown(value)} is no feed; allowed is a mapping with at least name and type"
    return f"{shown(value)} is no section; allowed is a mapping of {', '.join(keys_of(_section_at(place)))}"


def _no_mapping(_place: KeyPath, value: object, _context: Context) -> str:
    return f"{shown(value)} is no mapping; allowed is one of names, each with its own keys"


def _no_list(_place: KeyPath, value: object, _context: Context) -> str:
    return f"{shown(value)} is no list; allowed is a list: [a, b], or one `- a` a line; [] where there is none"


def _no_text(_place: KeyPath, value: object, _context: Context) -> str:
    return f"{shown(value)} is no text; allowed is a text, in quotes where it looks like a number"


def _long_text(_place: KeyPath, value: object, context: Context) -> str:
    return f"has {len(str(value))} characters; allowed are at most {context['max_length']}"


def _bad_pattern(place: KeyPath, value: object, _context: Context) -> str:
    return f"{shown(value)} cannot be used; allowed is {_PATTERNS[str(place[-1])]}"


def _bad_number(place: KeyPath, value: object, _context: Context) -> str:
    limits = _section_at(place[:-1]).model_fields[str(place[-1])].metadata
    least = next(limit.ge for limit in limits if hasattr(limit, "ge"))
    most = next(limit.le for limit in limits if hasattr(limit, "le"))
    return f"{shown(value)} cannot be used; allowed is a whole number from {least} to {most}"


def _too_few(_place: KeyPath, _value: object, context: Context) -> str:
    return f"holds {context['actual_length']}; allowed are at least {context['min_length']}"


def _too_many(_place: KeyPath, _value: object, context: Context) -> str:
    return f"holds too many; allowed are at most {context['max_length']}"


def _no_choice(_place: KeyPath, value: object, context: Context) -> str:
    return f"{shown(value)} is not known; allowed is {context['expected'].replace(chr(39), '')}"


def _bad_tag(_place: KeyPath, value: object, _context: Context) -> str:
    tag = value.get("type") if isinstance(value, Mapping) else None
    return f"{shown(tag)} is no type of feed; allowed is one of {', '.join(FEED_TYPES)}"


def _no_tag(_place: KeyPath, _value: object, _context: Context) -> str:
    return f"is missing; allowed is one of {', '.join(FEED_TYPES)}"


def _own_words(_place: KeyPath, _value: object, context: Context) -> str:
    return str(context["error"])


_SENTENCES: dict[str, Callable[[KeyPath, object, Context], str]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "model_type": _no_section,
    "dict_type": _no_mapping,
    "model_attributes_type": _no_section,
    "tuple_type": _no_list,
    "string_type": _no_text,
    "string_too_long": _long_text,
    "string_pattern_mismatch": _bad_pattern,
    "int_type": _bad_number,
    "greater_than_equal": _bad_number,
    "less_than_equal": _bad_number,
    "too_short": _too_few,
    "too_long": _too_many,
    "literal_error": _no_choice,
    "union_tag_invalid": _bad_tag,
    "union_tag_not_found": _no_tag,
    "value_error": _own_words,
}


def _section_at(place: KeyPath) -> type[BaseModel]:
    """Give the section's class at a place as pydantic names it, a feed's type behind its number."""
    section: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, int) or part == "feeds":
            continue
        field = keys_of(section).get(part)  # there is none for the name of a mapping's member
        section = FEED_TYPES.get(part) or (field and section_of(field.annotation)) or section
    return section


def _without_tags(place: KeyPath) -> KeyPath:
    """Leave out what pydantic names and is no key: the feed's type behind its number, and the word for a wrong key."""
    place = place[:-1] if place and place[-1] == "[key]" else place
    tagged = len(place) > 2 and place[0] == "feeds" and place[2] in FEED_TYPES
    return (*place[:2], *place[3:]) if tagged else place
