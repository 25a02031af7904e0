"""The groups of clients as lines for people, and which orders by law do not apply to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from blockd.printable import some_of

if TYPE_CHECKING:
    from blockd.settings import Settings
    from blockd.settings.feeds import Feed

MAX_NAMED = 20  # feeds in one line; JSON has all


def group_lines(told: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each group, as `GroupSummary.to_json` has it."""
    for group in told:
        networks = f"{group['networks']:,} network{'s' * (group['networks'] != 1)}"
        if not group["feeds"]:
            yield f"group {group['name']}: {networks}, exempt: no feed applies to it"
            continue
        lacks = f"; not subject to {some_of(group['lacks'], MAX_NAMED)}" if group["lacks"] else ""
        yield f"group {group['name']}: {networks}, subject to {some_of(group['feeds'], MAX_NAMED)}{lacks}"


def exempt_from_law(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each group that is not subject to feeds whose orders are signed, or are orders by law."""
    by_law = [feed.name for feed in settings.feeds if _is_by_law(feed)]
    for group in settings.groups:
        lacks = [name for name, is_lacking in zip(by_law, group.lacks(by_law), strict=True) if is_lacking]
        if lacks:
            feeds = f"{'feed' if len(lacks) == 1 else 'feeds'} {some_of(lacks, MAX_NAMED)}"
            yield f"group {group.name} is not subject to {feeds}, whose orders are signed or by law"


def _is_by_law(feed: Feed) -> bool:
    from blockd.orders import Mandate
    from blockd.settings.feeds import OrderingFeed  # which `blockd status` does not need, and waits for

    if isinstance(feed, OrderingFeed):
        return feed.is_signed or feed.mandate is Mandate.LAW or (feed.mandate is None and bool(feed.legal_basis))
    return feed.is_signed
