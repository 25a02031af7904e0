"""The orders of a policy zone: one for each kind of answer that its rules ask for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from blockd.formats.rpz.action import RpzAction
from blockd.formats.rpz.rules import RpzRules
from blockd.orders import Action, Order, Scope
from blockd.ruleset import FeedInput, Listing
from blockd.settings import ZoneFeed, ZoneOverride

_ID_TEXT = re.compile(r"[a-z0-9._-]{1,80}", re.ASCII)
_MAX_ID = 80  # characters, as an order document has it
_MARK = 12  # hexadecimal digits that distinguish answers


def override_of(feed: ZoneFeed) -> RpzAction | None:
    """Return the action that overrides all rules of a feed; None if each rule has its own."""
    if feed.override is ZoneOverride.GIVEN:
        return None
    if feed.override is ZoneOverride.DISABLED:
        return RpzAction(Action.MONITOR)
    return RpzAction(Action(feed.override.value), feed.override_target)


def zone_input(feed: ZoneFeed, rules: RpzRules, *, digest: str) -> FeedInput:
    """Return what the compiler takes of a zone.

    An order's id is the same for the same answer in every version of the zone, so metrics keep counting under it.
    """
    answers = rules.answers
    orders = {
        number: feed.order_with(
            order_id(feed.name, answers[number]),
            answers[number].action,
            cname=answers[number].target,
            records=answers[number].records,
        )
        for number in dict.fromkeys(number for number, _, _ in rules.rules())
    }
    return FeedInput(
        name=feed.name,
        type=feed.type,
        priority=feed.priority,
        digest=digest,
        orders=list(orders.values()),
        listings=_listings(rules, orders),
        version="" if rules.serial is None else str(rules.serial),
        rejected=lambda: rules.junk,
        asks_client=rules.asks_client,
        may_lift={"": feed.may_lift} if feed.may_lift else {},
    )


def order_id(feed: str, answer: RpzAction) -> str:
    """Return the id of a zone's order: the feed, the action, and, if needed, the target or a digest."""
    base = f"{feed}.{answer.action}"
    target = answer.target.replace("*.", "below.", 1)
    is_local = answer.action is Action.LOCAL
    if not answer.target and not is_local:
        return base
    if not is_local and _ID_TEXT.fullmatch(target) and len(base) + 1 + len(target) <= _MAX_ID:
        return f"{base}.{target}"
    digest = hashlib.sha256(answer.target.encode())
    for record in answer.records if is_local else ():  # those of a target change under the same id
        digest.update(b"%d %d %d " % (record.type, record.ttl, len(record.data)) + record.data)
    return f"{base}.{digest.hexdigest()[:_MARK]}"


def _listings(rules: RpzRules, orders: Mapping[int, Order]) -> Iterator[Listing]:
    for answer, scope, keys in rules.rules():
        yield Listing(orders[answer], scope, keys)
    for answer, keys in rules.empty_names():
        yield Listing(orders[answer], Scope(0), keys)
