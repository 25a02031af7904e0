"""Weaknesses of a feed's config: it lets others change the content, or keeps it from being fetched."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.settings import TextFeed


@dataclass(frozen=True, slots=True)
class Weakness:
    """One weakness, with its remedy; a fatal one keeps the feed from being fetched."""

    sentence: str  # continues "feed NAME"
    advice: str
    is_fatal: bool = False


def text_weakness(feed: TextFeed) -> Weakness | None:
    """Return the weakness of a list that comes by plain HTTP and is not signed; None for others."""
    if feed.signature is not None or feed.url is None or not feed.url.startswith("http:"):
        return None
    return Weakness("comes by plain http: anyone on the path can change the list", "Use https, or a signed feed.")
