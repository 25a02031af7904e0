"""Content negotiation by the quality values (RFC 9110 section 12.4.2) of Accept and Accept-Language."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "id"]
Form = Literal["text/html", "application/problem+json", "application/json"]

MAX_CHOICES = 20  # choices of one header that are read; browsers send ten at most
MAX_CHOICE = 100  # characters of one choice

# `in` is the code that Indonesian had before 1989, and that old Android still sends.
_LANGUAGES: dict[str, Language] = {"en": "en", "id": "id", "in": "id"}
_DEFAULT: Language = "en"
_FORMS: tuple[Form, ...] = ("text/html", "application/problem+json", "application/json")
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_PARAMETER = re.compile(r";[ \t]*q[ \t]*=[ \t]*([^;]*)", re.IGNORECASE)  # the quality among the parameters


def language_of(accept_language: str) -> Language:
    """Return the language with the highest quality, the earlier of equals; English if none matches."""
    best: Language = _DEFAULT
    best_quality = 0.0
    named = set()
    for choice, quality in _choices(accept_language):
        language = _LANGUAGES.get(choice.partition("-")[0])
        if language:
            named.add(language)
        elif choice == "*":
            language = next((other for other in ("en", "id") if other not in named), _DEFAULT)
        if language and quality > best_quality:
            best, best_quality = language, quality
    return best


def form_of(accept: str) -> Form:
    """Return page or JSON; of equal qualities the more specific media range wins, of equal ranges the page."""
    choices = _choices(accept)
    best: Form = "text/html"
    best_rank = (0.0, 0)
    for form in _FORMS:
        rank = _rank(form, choices)
        if rank > best_rank:
            best, best_rank = form, rank
    return best


def accepts(accept: str, media: str) -> bool:
    """Return whether an answer of a media type is acceptable; anything is to a header that says nothing of types."""
    choices = _choices(accept)
    return not choices or _rank(media, choices)[0] > 0


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip (RFC 9110 section 12.5.3); what it does not speak of, it is not sent."""
    qualities = dict(reversed(_choices(accept_encoding)))  # of two that speak of the same the first counts
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _rank(form: str, choices: list[tuple[str, float]]) -> tuple[float, int]:
    """Return the quality of `form` by its most specific range, and how specific that is."""
    found = (0.0, 0)
    for choice, quality in choices:
        ranges = ("*/*", form.partition("/")[0] + "/*", form)
        if choice in ranges and ranges.index(choice) + 1 > found[1]:
            found = (quality, ranges.index(choice) + 1)
    return found


def _choices(header: str) -> list[tuple[str, float]]:
    """Yield the header's choices in lower case with their qualities; a malformed choice is left out."""
    found = []
    for item in header.split(",", MAX_CHOICES)[:MAX_CHOICES]:
        choice, semicolon, parameters = item[:MAX_CHOICE].partition(";")
        qualities = _PARAMETER.findall(semicolon + parameters)
        quality = qualities[-1].strip() if qualities else "1"
        choice = choice.strip().lower()
        if choice and _QUALITY.fullmatch(quality):
            found.append((choice, float(quality)))
    return found
