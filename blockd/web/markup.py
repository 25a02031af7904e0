"""HTML from escaped parts. Everything but `Html` is text that others wrote, and is escaped."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

MAX_KEPT = 200  # characters of a text whose markup is kept: most are ours, and the same on every page
MAX_LINK = 300  # characters of one address or e-mail address; longer ones stay text

_VOID = frozenset(("hr", "input", "link", "meta"))
# Control characters, and those that change the direction of following text: `bdi` isolates each value instead.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINK = re.compile(
    rf"(?P<url>https?://[a-z0-9][a-z0-9.:-]{{0,250}}(?:[/?#][^\s<>\"'\\^`{{|}}]{{0,{MAX_LINK}}})?)"
    r"|(?:mailto:)?(?P<mail>[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9](?:[a-z0-9-]{0,62}\.){1,8}[a-z]{2,63})(?![a-z0-9@-])",
    re.IGNORECASE | re.ASCII,
)
_TAIL = ".,;:!?)"  # belongs to the sentence around a link, not to the link


class Html(str):
    """Markup that is ready to send."""

    __slots__ = ()


def text(value: str) -> Html:
    """Return `value` as markup, escaped if it is not markup yet, without invisible characters."""
    if isinstance(value, Html):
        return value
    return _kept(value) if len(value) <= MAX_KEPT else _escaped(value)


def _escaped(value: str) -> Html:
    return Html(escape(_UNSEEN.sub("", value)))


_kept = lru_cache(2048)(_escaped)


def element(name: str, /, *children: str, **attributes: str) -> Html:
    """Return one element; `class_` stands for `class`, `_` in attribute names for `-`."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"' for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*parts: str) -> Html:
    """Return the parts concatenated."""
    return Html("".join(text(part) for part in parts))


def isolated(value: str) -> Html:
    """Return a value whose writing direction does not affect the words around it."""
    return element("bdi", value)


def filled(template: str, **values: str) -> Html:
    """Return one of our own sentences with `values` in its replacement fields."""
    return Html(text(template).format_map({name: isolated(value) for name, value in values.items()}))


def linked(value: str) -> Html:
    """Return a text that others wrote, its web and e-mail addresses as links that send no referrer."""
    parts: list[Html] = []
    position = 0
    for found in _LINK.finditer(value):
        shown = found[0]
        end = found.end() - (_tail(shown) if found["url"] else 0)
        shown = value[found.start() : end]
        target = shown if found["url"] else f"mailto:{found['mail']}"
        parts += (text(value[position : found.start()]), element("a", shown, href=target, rel="noreferrer nofollow"))
        position = end
    return join(*parts, text(value[position:]))


def _tail(address: str) -> int:
    """Return how many characters at the end of a URL belong to the sentence; a bracket that it opens is its own."""
    end = len(address)
    closing = address.count(")") - address.count("(")
    while end and address[end - 1] in _TAIL:
        if address[end - 1] == ")":
            if closing <= 0:
                break
            closing -= 1
        end -= 1
    return len(address) - end
