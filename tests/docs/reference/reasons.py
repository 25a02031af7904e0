"""docs/reference/reasons.md: why a feed's new content is refused, a line rejected, an entry held back."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.feeds.reasons import REASONS
from blockd.feeds.transfer.notify_causes import CAUSES
from blockd.formats import address_line
from blockd.names import special_purpose
from tests.docs.reference.markdown import document, table


def page() -> str:
    """Return the page."""
    return document(
        "Reasons of refusals",
        "If the new content of a feed is refused, what the feed gave before stays in force. The reason is one of "
        "these. It is the label `reason` of `blockd_feed_refused_total`. `blockd status` and the log add a sentence "
        "with the details.",
        _reasons(REASONS),
        "## NOTIFY that is not heeded",
        "A NOTIFY (RFC 1996) that does not count is counted under one of these causes in "
        "`blockd_notify_refused_total`, with the feed whose zone it is about.",
        table(("cause", "what is wrong"), [(f"`{cause}`", meaning) for cause, meaning in CAUSES.items()]),
        "## Rejected lines of a list of addresses",
        "A line is rejected alone, and counted under one of these reasons in the reject report.",
        _reasons(address_line.REASONS),
        "These networks are set aside for a purpose (RFC 6890 and the registries of IANA), and no site is there. An "
        "address in one of them is rejected, and so is a network or range that has a part of one. All of IPv6 outside "
        "of `2000::/3` that is not in this table is `reserved` as well.",
        table(
            ("reason", "networks"),
            [(f"`{reason}`", ", ".join(_networks(reason))) for reason in special_purpose.REASONS],
        ),
    )


def _reasons(reasons: Mapping[str, str]) -> str:
    return table(("reason", "what is wrong"), [(f"`{reason}`", meaning) for reason, meaning in reasons.items()])


def _networks(reason: str) -> list[str]:
    return [f"`{network}`" for network, purpose in special_purpose.SPECIAL_PURPOSE if purpose == reason]
