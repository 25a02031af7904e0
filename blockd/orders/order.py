"""An order: one legal or policy instrument, without the names it covers (those are entries)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from blockd.orders.key import OrderKey, spelled


class Action(StrEnum):
    """What an order asks to be done with a question for one of its names."""

    SINKHOLE = "sinkhole"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    REFUSED = "refused"
    DROP = "drop"
    CNAME = "cname"
    TCP_ONLY = "tcp-only"
    MONITOR = "monitor"  # count only
    ALLOW = "allow"  # never block
    PASSTHRU = "passthru"  # of a policy zone: later zones do not act
    LOCAL = "local"  # of a policy zone: the records that it has for the name

    @property
    def is_zones(self) -> bool:
        """Whether only the rules of a policy zone may have it."""
        return self in (Action.PASSTHRU, Action.LOCAL)


class Mandate(StrEnum):
    """Who wants the block: it decides what a client is told (`blockd.orders.disclosure.codes`)."""

    LAW = "law"  # an external requirement: 16 Censored
    OPERATOR = "operator"  # the operator's own policy: 15 Blocked
    CLIENT = "client"  # the client asked for it: 17 Filtered


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice sent to the platform before or while the order was made."""

    sent: str  # RFC 3339 date or time, as the authority wrote it
    channel: str = ""
    text: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True, order=True)
class LocalRecord:
    """One record that a policy zone has for a name, without its owner."""

    type: int
    ttl: int  # seconds
    data: bytes  # wire form, uncompressed


@dataclass(frozen=True, slots=True)
class Order:
    """One order, or a list that an operator's config enforces without one.

    Times are UTC, in whole seconds since the epoch. A value that nobody has stated is None or empty, and is never
    replaced by another: without `in_force_from` it is in force from when it is taken.
    """

    id: str
    authority: str
    platform: str
    action: Action
    mandate: Mandate | None
    in_force_from: int | None
    legal_basis: str = ""
    reference: str = ""
    summary: str = ""
    reported_by: str = ""
    assessed_by: str = ""
    decided_by: str = ""
    language: str = ""  # of its texts, a tag of RFC 5646
    lumen_id: str = ""  # the number of its notice in the Lumen database (lumendatabase.org), digits
    notices: tuple[Notice, ...] = ()
    contact: str = ""
    expires: int | None = None
    review_by: int | None = None
    lifted_on: int | None = None
    lifted_reason: str = ""
    published: int | None = None  # when the authority signed it
    cname: str = ""  # the target if the action is `cname`; of a policy zone also `*.x`: the name asked for, below x
    records: tuple[LocalRecord, ...] = ()  # if the action is `local`
    salt: bytes = b""  # of a confidential order: the key of the hashes that stand for its names
    list_name: str = ""  # of a list: its feed's name; its `id` was then made by blockd, and is no order's number
    role: str = ""  # the delegated role that signed it, as its repository calls it; empty for the repository itself
    shown: str = field(default="", compare=False)  # how it is called among others; empty if as `spelled` has it
    unknown: dict[str, object] = field(default_factory=dict)  # fields of a later minor schema, kept unchanged

    @property
    def is_confidential(self) -> bool:
        """Whether its names are known by their hashes only, and never disclosed."""
        return bool(self.salt)

    @property
    def name(self) -> str:
        """How it is called: by its role and id (`blockd.orders.key`)."""
        return self.shown or spelled(self.role, self.id)

    def key(self, feed: str) -> OrderKey:
        """Return its key as an order of a feed."""
        return OrderKey(feed, self.role, self.id)
