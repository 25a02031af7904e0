"""Counting what was asked and answered, by the pipeline; the engine in C counts in the same places."""

from __future__ import annotations

import math
from collections.abc import Callable

from blockd.metrics import Row
from blockd.orders import Action, Verdict
from blockd.resolver.query_context import QueryContext

ACTIONS = {action: place for place, action in enumerate(Action)}


def count(row: Row, context: QueryContext, version: int, clock: Callable[[], float]) -> None:
    """Count a message that was answered, or for which no answer is sent.

    `version` is that of the ruleset in force, `clock` counts seconds since the epoch.
    """
    transport = context.query.transport
    row.query(transport)
    for slot in context.hits:
        row.hit(slot)
    stopped = context.stopped
    if stopped is not None and stopped.order is not None and stopped.order_index is not None:
        second = math.ceil(clock())  # a second that has begun no longer counts as left, see `time_left`
        row.blocked(second, version, stopped.order_index, ACTIONS[stopped.order.action], transport, told_key(stopped))
    if context.local is not None:
        row.local(context.local.kind.value)
    elif context.asked_upstreams:
        row.cache_miss()
    elif context.asked_cache:
        row.cache_hit()


def told_key(verdict: Verdict) -> bytes | None:
    """Return the key of the entry that a verdict rests on; None if its order tells nobody what it covers."""
    if verdict.order is None or verdict.order.is_confidential or verdict.entry is None:
        return None
    return verdict.entry.key
