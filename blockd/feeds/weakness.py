"""What of a feed's config lets others change its content, or keeps it from being fetched at all."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.settings import TextFeed


@dataclass(frozen=True, slots=True)
class Weakness:
    """One weakness, with what to do about it; a fatal one keeps the feed from being fetched."""

    sentence: str  # behind "feed NAME"
    advice: str
    is_fatal: bool = False


def text_weakness(feed: TextFeed) -> Weakness | None:
    """Return what is weak about a list that comes by plain HTTP and is not signed."""
    if feed.signature is not None or feed.url is None or not feed.url.startswith("http:"):
        return None
    return Weakness("comes by plain http: whoever is on the way can change the list", "Use https, or a signed feed.")
