"""Telling which parts of a signed feed are refused, an authority's or single orders, while the feed goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from blockd.audit.recorder import AuditRecorder
from blockd.audit.refusals import Part
from blockd.feeds.signed.bundle import RefusedOrder
from blockd.feeds.source import FeedSource

MORE = "more"  # in records, the order that stands for all that are not told one by one

log = logging.getLogger(__name__)


def tell_parts(
    name: str,
    source: FeedSource,
    told: Mapping[str, str],
    told_orders: Sequence[RefusedOrder],
    recorder: AuditRecorder,
) -> Counter[str]:
    """Log and record what the last poll of a feed refused alone, and what is over; return the new ones by reason.

    `told` are the sentences told before by role, `told_orders` the orders.
    """
    counts: Counter[str] = Counter()
    refused = {part.role: part for part in source.authorities if part.refusal}
    orders = {(one.role, one.order): one for one in source.refused_orders}
    known = {(one.role, one.order): one.refusal for one in told_orders}
    for part in [*recorder.refused_of(name)]:
        order = "" if part.order == MORE else part.order
        is_refused = (part.role, order) in orders if part.order else part.role in refused
        if not is_refused and recorder.good_again(part):
            log.info("%s of feed %s is accepted again.", _called(part), name)
    for role, authority in refused.items():
        reason = authority.reason or "fault"
        counts[reason] += told.get(role) != authority.refusal
        if recorder.refused(Part(name, role), reason, authority.refusal):
            log.error(
                "The new content of authority %s of feed %s is refused (%s): %s (the last accepted stays in force)",
                role, name, reason, authority.refusal,
            )  # fmt: skip
    for key, one in orders.items():
        counts[one.reason] += known.get(key) != one.refusal
        if recorder.refused(Part(name, one.role, one.order or MORE), one.reason, one.refusal):
            log.error("Feed %s: %s (%s)", name, one.refusal, one.reason)
    return counts


def _called(part: Part) -> str:
    """Return how a sentence about an authority or an order begins."""
    if not part.order:
        return f"Authority {part.role}"
    return f"Order {part.role}/{part.order}" if part.role else f"Order {part.order}"
