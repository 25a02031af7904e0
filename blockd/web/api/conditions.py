"""The conditions of a request: which entity tags it names in `If-Match` and `If-None-Match` (RFC 9110 section 13).

A field may stand on several lines, its list may be empty or have empty elements (section 5.6.1), and a tag may hold a
comma. What is no list of tags names none, and no change is made for it, since what it was to rest on is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from blockd.web.api.packing import SUFFIX

_TAG = re.compile(r'(W/)?"([!#-~\x80-\U0010ffff]*)"[ \t]*(?:,|$)')  # section 8.8.3; octets that are no UTF-8 among them
_BETWEEN = re.compile(r"[ \t,]*")
_ANY = "*"
NO_TAG = '"'  # in place of the tag of what has none: no tag holds this character


@dataclass(frozen=True, slots=True)
class NamedTags:
    """The entity tags that a field names, without quotes.

    `is_any` if it names whatever there is, `is_wrong` if it is neither that nor a list of tags.
    """

    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    is_any: bool = False
    is_wrong: bool = False

    def has(self, tag: str) -> bool:
        """Return whether a tag is named, by strong comparison (section 8.8.3.2); `tag` is one of what is not packed."""
        return self.is_any or not self.strong.isdisjoint((tag, tag + SUFFIX))

    def has_like(self, tag: str) -> bool:
        """Return whether a tag is named, by weak comparison: a proxy that packs an answer makes its tag weak."""
        return self.is_any or tag in self.strong or tag in self.weak


def named_tags(lines: Sequence[str]) -> NamedTags | None:
    """Return what the lines of a field name; None if there is no such field."""
    if not lines:
        return None
    text = ",".join(lines).strip(" \t")
    if text == _ANY:
        return NamedTags(is_any=True)
    strong: set[str] = set()
    weak: set[str] = set()
    place = _end(_BETWEEN, text, 0)
    while place < len(text):
        found = _TAG.match(text, place)
        if found is None:
            return NamedTags(is_wrong=True)
        (weak if found[1] else strong).add(found[2])
        place = _end(_BETWEEN, text, found.end())
    return NamedTags(frozenset(strong), frozenset(weak))


def is_for(request: web.Request, tag: str) -> bool:
    """Return whether a request may be done for what has a tag (section 13.2.2); `tag` is one of what is not packed.

    An answer that the client has already is a question's own matter, see `is_known`.
    """
    named = named_tags(request.headers.getall(hdrs.IF_MATCH, ()))
    return named is None or named.has(tag)


def is_excepted(request: web.Request, tag: str) -> bool:
    """Return whether a change is not to be made for what has a tag."""
    named = named_tags(request.headers.getall(hdrs.IF_NONE_MATCH, ()))
    return named is not None and (named.is_wrong or named.has_like(tag))


def is_known(request: web.Request, tag: str) -> bool:
    """Return whether the client has what has a tag."""
    named = named_tags(request.headers.getall(hdrs.IF_NONE_MATCH, ()))
    return named is not None and named.has_like(tag)


def has_condition(request: web.Request) -> bool:
    """Return whether a change rests on something."""
    return hdrs.IF_MATCH in request.headers or hdrs.IF_NONE_MATCH in request.headers


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return place if found is None else found.end()
