"""The parties of a ruleset, between which `blockd.ruleset.precedence` decides: the operator, and each authority.

An authority is a role of one signed feed; the role that signs the repository's own orders is one too, called `targets`
as in its metadata. It is written `FEED/ROLE`, and `FEED` stands for all authorities of a feed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from blockd.orders.repository import OWN_ROLE
from blockd.ruleset.catalogue import Catalogue
from blockd.settings.feeds import SIGNED_TYPES

OPERATOR = 0  # the party of policy zones, unsigned feeds and overrides
NO_LIFTS: tuple[int, ...] = ()
MayLift = Mapping[str, Sequence[str]]
"""By role, empty for a policy zone, whose orders may be lifted: each `FEED/ROLE` or `FEED`."""


def authority_text(feed: str, role: str) -> str:
    """Return how an authority is written."""
    return f"{feed}/{role or OWN_ROLE}"


@dataclass(frozen=True, slots=True)
class Parties:
    """The party of each order, by the order's index, and the parties that each order's party may lift.

    `names` has an authority's feed and role at its number; those of the operator are empty.
    """

    names: tuple[tuple[str, str], ...]
    of: array[int]  # 16 bits each
    lifts: tuple[tuple[int, ...], ...]

    @property
    def are_several(self) -> bool:
        """Whether more than one party has orders, so that they can contradict each other."""
        return len(set(self.of)) > 1


def parties_of(catalogue: Catalogue) -> Parties:
    """Return the parties of a ruleset."""
    feeds = {feed.name: feed for feed in catalogue.feeds}
    names = [("", "")]
    numbers: dict[str, dict[str, int]] = {}
    of = array("H")
    for record in catalogue.orders:
        feed = feeds.get(record.feed)
        if feed is None or feed.type not in SIGNED_TYPES:
            of.append(OPERATOR)
            continue
        roles, role = numbers.setdefault(record.feed, {}), record.order.role or OWN_ROLE
        if role not in roles:
            roles[role] = len(names)
            names.append((record.feed, record.order.role))
        of.append(roles[role])
    lifted: dict[tuple[str, str], tuple[int, ...]] = {}
    for name, feed in feeds.items():
        for role, wanted in feed.may_lift.items():
            lifted[name, role] = tuple(_numbers(wanted, numbers))
    lifts = tuple(
        lifted.get((record.feed, "" if party == OPERATOR else record.order.role or OWN_ROLE), NO_LIFTS)
        for party, record in zip(of, catalogue.orders, strict=True)
    )
    return Parties(tuple(names), of, lifts)


def _numbers(wanted: Iterable[str], numbers: Mapping[str, Mapping[str, int]]) -> dict[int, None]:
    """Return the numbers of the authorities that are there, each once, in their order."""
    found: dict[int, None] = {}
    for text in wanted:
        feed, _, role = text.partition("/")
        roles = numbers.get(feed, {})
        found |= dict.fromkeys([roles[role]] if role in roles else () if role else roles.values())
    return found
