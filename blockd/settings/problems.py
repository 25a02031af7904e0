"""Problems as an operator reads them: `path.to.key[0]: what was expected, what was found; what to write`.

pydantic finds most of them and words them in its own way; here each becomes a sentence of blockd's.
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
    "name": "1 to 40 lower-case letters, digits and inner hyphens",
    "path": "a path such as /dns-query, of letters, digits and the punctuation of URLs, without ? and #",
    "server_id": "letters, digits and punctuation of ASCII, without blanks",
    "database": "letters, digits, hyphens and dots",
    "user": "a user name of at most 32 lower-case letters, digits, hyphens and underscores",
}
# Errors of a default that depends on a field which is itself wrong, and has its own problem.
_ECHOES = frozenset(("default_factory_not_called",))


def problems_of(errors: Sequence[ErrorDetails], most: int) -> tuple[list[str], int]:
    """Return a sentence for each of the first `most` errors that pydantic found in `Settings`, and how many more."""
    # A list with a problem in one of its items is not too short: pydantic counts only those that have none.
    above = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    told = [
        error
        for error in errors
        if error["type"] not in _ECHOES and not (error["type"] == "too_short" and error["loc"] in above)
    ]
    return list(map(sentence_of, told[:most])), max(0, len(told) - most)  # what is not told takes no time


def sentence_of(error: ErrorDetails) -> str:
    """Return the sentence of one error."""
    place, value, context = error["loc"], error.get("input"), error.get("ctx", {})
    describe = _SENTENCES.get(error["type"])
    sentence = describe(place, value, context) if describe else f"{shown(value)} cannot be used: {error['msg']}"
    if error["type"].startswith("union_tag"):
        place = (*place, "type")
    return f"{path_text(_without_tags(place))}: {sentence}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the sentence for a key that is not known in its section."""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if nearest:
        return f"unknown key; did you mean {nearest[0]}?"
    return f"unknown key; expected one of {', '.join(known)}"


def _unknown_key(place: KeyPath, _value: object, _context: Context) -> str:
    return unknown_key(str(place[-1]), list(keys_of(_section_at(place[:-1]))))


def _missing(place: KeyPath, _value: object, _context: Context) -> str:
    return f"is missing. {keys_of(_section_at(place[:-1]))[str(place[-1])].description}"


def _no_section(place: KeyPath, value: object, _context: Context) -> str:
    if place and isinstance(place[-1], int):
        needed = "name and type" if place[0] == "feeds" else " and ".join(_required(_section_at(place)))
        return f"expected a mapping with at least {needed}, got {shown(value)}"
    return f"expected a mapping, got {shown(value)}; its keys are {', '.join(keys_of(_section_at(place)))}"


def _required(section: type[BaseModel]) -> list[str]:
    return [key for key, field in keys_of(section).items() if field.is_required()]


def _no_switch(_place: KeyPath, value: object, _context: Context) -> str:
    return f"expected true or false, got {shown(value)}"


def _no_mapping(_place: KeyPath, value: object, _context: Context) -> str:
    return f"expected a mapping of names, each with its own keys, got {shown(value)}"


def _no_list(_place: KeyPath, value: object, _context: Context) -> str:
    return f"expected a list, got {shown(value)}; write [a, b], or one `- a` a line, or [] for an empty list"


def _no_text(_place: KeyPath, value: object, _context: Context) -> str:
    return f"expected a text, got {shown(value)}; put it in quotes if it looks like a number"


def _long_text(_place: KeyPath, value: object, context: Context) -> str:
    return f"expected at most {context['max_length']} characters, got {len(str(value))}"


def _bad_pattern(place: KeyPath, value: object, _context: Context) -> str:
    return f"expected {_PATTERNS[str(place[-1])]}, got {shown(value)}"


def _bad_number(place: KeyPath, value: object, _context: Context) -> str:
    limits = _section_at(place[:-1]).model_fields[str(place[-1])].metadata
    least = next(limit.ge for limit in limits if hasattr(limit, "ge"))
    most = next(limit.le for limit in limits if hasattr(limit, "le"))
    return f"expected a whole number from {least} to {most}, got {shown(value)}"


def _too_few(_place: KeyPath, _value: object, context: Context) -> str:
    return f"expected a list of at least {context['min_length']}, got {context['actual_length']}"


def _too_many(_place: KeyPath, _value: object, context: Context) -> str:
    return f"expected at most {context['max_length']}, got more"


def _no_choice(_place: KeyPath, value: object, context: Context) -> str:
    expected = str(context["expected"]).replace("''", '""').replace("'", "")
    return f"expected {expected}, got {shown(value)}"


def _bad_tag(_place: KeyPath, value: object, _context: Context) -> str:
    tag = value.get("type") if isinstance(value, Mapping) else None
    return f"expected one of {', '.join(FEED_TYPES)}, got {shown(tag)}"


def _no_tag(_place: KeyPath, _value: object, _context: Context) -> str:
    return f"is missing; expected one of {', '.join(FEED_TYPES)}"


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
    "bool_type": _no_switch,
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
    """Return the section's class at a place as pydantic names it, with a feed's type after its number."""
    section: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, int) or part == "feeds":
            continue
        field = keys_of(section).get(part)  # None for the name of a mapping's member
        section = FEED_TYPES.get(part) or (field and section_of(field.annotation)) or section
    return section


def _without_tags(place: KeyPath) -> KeyPath:
    """Return a place without the parts that are not keys: a feed's type after its number, the mark of a wrong key."""
    place = place[:-1] if place and place[-1] == "[key]" else place
    tagged = len(place) > 2 and place[0] == "feeds" and place[2] in FEED_TYPES
    return (*place[:2], *place[3:]) if tagged else place
