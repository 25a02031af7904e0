"""Numbers of entries in words, as every command and page says them: names, and networks apart."""

from __future__ import annotations

from blockd.formats.text_formats import format_named


def totals(names: int, networks: int) -> str:
    """Return how many names a ruleset has, and how many networks if it has any."""
    return f"{names:,} names" + (f", {networks:,} networks" if networks else "")


def several_of(feed_type: str) -> str:
    """Return the word for what a type of feed lists."""
    return _counted(feed_type)[1]


def of_feed(number: int, feed_type: str) -> str:
    """Return how many entries a feed of a type has, in the word for what that type lists."""
    one, several = _counted(feed_type)
    return f"{number:,} {one if number == 1 and one != 'name' else several}"


def _counted(feed_type: str) -> tuple[str, str]:
    """Return the word for what a type of feed lists, one and several: names, unless it is a text list of others."""
    try:
        return format_named(feed_type).counted
    except KeyError:
        return "name", "names"
