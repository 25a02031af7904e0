"""The section `groups`: networks of clients to whom some feeds do not apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from blockd.names.prefix_table import NO_NUMBER, PrefixTable
from blockd.settings.addresses import ClientNetwork
from blockd.settings.feeds.base import FeedName
from blockd.settings.feeds.overrides import OVERRIDES
from blockd.settings.section import Section, setting

MAX_GROUPS = 64  # each has an octet for each feed in every worker
MAX_GROUP_NETWORKS = 10_000  # of all groups together, as many as clients may have
MAX_GROUP_FEEDS = 1_001  # every feed of a config, and the overrides
EVERYBODY = NO_NUMBER  # the number of the clients that are in no group


class ClientGroup(Section):
    """One group of clients, who are subject to the feeds that it names, and to no other."""

    name: FeedName = setting(..., "The group's name, as commands and statements call it.")
    networks: tuple[ClientNetwork, ...] = setting(
        ...,
        "Its networks, each within `clients.allow`; of several that hold a client, the longest decides.",
        min_length=1,
        max_length=MAX_GROUP_NETWORKS,
    )
    feeds: tuple[FeedName, ...] = setting(
        ...,
        "All feeds that apply to its clients; with [] nothing is blocked for them. Overrides apply unless it is empty.",
        max_length=MAX_GROUP_FEEDS,
    )

    @property
    def is_exempt(self) -> bool:
        """Whether nothing applies to its clients."""
        return not self.feeds

    def lacks(self, feeds: Iterable[str]) -> list[bool]:
        """Return for each of some feeds whether it does not apply to its clients.

        Overrides apply to all but exempt groups.
        """
        applying = {*self.feeds, *(() if self.is_exempt else (OVERRIDES,))}
        return [feed not in applying for feed in feeds]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group as status, statements and the audit log name it: how many networks it has, never which.

    `lacks` are the feeds of this config that do not apply to its clients.
    """

    name: str
    networks: int
    feeds: tuple[str, ...]
    lacks: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"name": self.name, "networks": self.networks, "feeds": list(self.feeds), "lacks": list(self.lacks)}


class ClientGroups:
    """The groups of a config, numbered from 1 in its order; EVERYBODY stands for clients in none."""

    def __init__(self, groups: Sequence[ClientGroup] = ()) -> None:
        self.groups = tuple(groups)
        self.table = PrefixTable(
            (network, number) for number, group in enumerate(self.groups, 1) for network in group.networks
        )

    def number_of(self, packed: bytes) -> int:
        """Return the number of the group of a client, given its address of 4 or 16 octets; EVERYBODY if it has none."""
        return self.table.find(packed) if self.groups and packed else EVERYBODY

    def group(self, number: int) -> ClientGroup | None:
        """Return the group with a number; None for EVERYBODY."""
        return self.groups[number - 1] if number != EVERYBODY else None

    def lacking(self, feeds: Sequence[str]) -> bytes:
        """Return for each group in turn an octet for each of some feeds: 1 if it does not apply to the group."""
        return b"".join(bytes(group.lacks(feeds)) for group in self.groups)

    def __iter__(self) -> Iterator[ClientGroup]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)


NO_GROUPS = ClientGroups()


def summaries(groups: Iterable[ClientGroup], feeds: Sequence[str]) -> list[GroupSummary]:
    """Return how groups are told of; `feeds` are the names of the config's feeds."""
    return [
        GroupSummary(
            group.name,
            len(group.networks),
            group.feeds,
            tuple(feed for feed, is_lacking in zip(feeds, group.lacks(feeds), strict=True) if is_lacking),
        )
        for group in groups
    ]
