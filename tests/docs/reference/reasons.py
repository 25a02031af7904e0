"""docs/reference/reasons.md: why a feed's new content is refused, a line rejected, an entry held back."""

from __future__ import annotations

from blockd.feeds.reasons import REASONS
from tests.docs.reference.markdown import document, table


def page() -> str:
    """Return the page."""
    return document(
        "Reasons of refusals",
        "If the new content of a feed is refused, what the feed gave before stays in force. The reason is one of "
        "these. It is the label `reason` of `blockd_feed_refused_total`. `blockd status` and the log add a sentence "
        "with the details.",
        table(("reason", "what is wrong"), [(f"`{reason}`", meaning) for reason, meaning in REASONS.items()]),
    )
