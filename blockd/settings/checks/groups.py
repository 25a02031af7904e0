"""What client groups must agree on, checked when each of them is right by itself."""

from __future__ import annotations

from collections.abc import Iterator

from blockd.names import Network
from blockd.names.prefix_table import PrefixTable
from blockd.settings.feeds.overrides import OVERRIDES
from blockd.settings.groups import MAX_GROUP_NETWORKS
from blockd.settings.model import Settings
from blockd.settings.values import shown


def group_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each contradiction."""
    count = sum(len(group.networks) for group in settings.groups)
    if count > MAX_GROUP_NETWORKS:
        yield f"groups: expected at most {MAX_GROUP_NETWORKS:,} networks in all groups together, got {count:,}"
        return
    yield from _names(settings)
    yield from _networks(settings)
    yield from _feeds(settings)


def _names(settings: Settings) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, group in enumerate(settings.groups):
        if first.setdefault(group.name, number) != number:
            where = f"groups[{first[group.name]}]"
            yield f"groups[{number}].name: {shown(group.name)} is already the name of {where}; use each name once"


def _networks(settings: Settings) -> Iterator[str]:
    """Check that a client is in one group at most, and that it is served."""
    served = PrefixTable((network, 1) for network in settings.clients.allow)
    first: dict[Network, str] = {}
    for number, group in enumerate(settings.groups):
        for place, network in enumerate(group.networks):
            where = f"groups[{number}].networks[{place}]"
            if first.setdefault(network, where) != where:
                yield f"{where}: {network} is already {first[network]}; each network is in one group"
            elif not served.is_within(network):
                yield f"{where}: {network} is not within clients.allow, so that its clients are refused; allow it there"


def _feeds(settings: Settings) -> Iterator[str]:
    known = {feed.name for feed in settings.feeds} | {OVERRIDES}
    for number, group in enumerate(settings.groups):
        first: dict[str, int] = {}
        for place, feed in enumerate(group.feeds):
            where = f"groups[{number}].feeds[{place}]"
            if feed not in known:
                yield f"{where}: expected the name of one of `feeds`, got {shown(feed)}"
            elif first.setdefault(feed, place) != place:
                yield f"{where}: {shown(feed)} is already groups[{number}].feeds[{first[feed]}]; name it once"
