"""A flight: one question on its way, however many clients wait for it, with its tries at upstreams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blockd.resolver.cache import CacheKey
from blockd.resolver.response import Response

if TYPE_CHECKING:
    from blockd.resolver.forwarding.failures import Failure
    from blockd.resolver.forwarding.floods import Floods
    from blockd.resolver.forwarding.groups import LinkGroup
    from blockd.resolver.forwarding.tries import Try


class Flight:
    """One question. All its moments are by the clock of flights, in seconds."""

    __slots__ = (
        "again",
        "asked",
        "asker",
        "counted",
        "doubted",
        "due",
        "group",
        "is_about_name",
        "is_done",
        "is_gone",
        "is_resolved",
        "key",
        "outcome",
        "said",
        "servfail",
        "started",
        "tried",
        "tries",
        "waiters",
    )

    def __init__(self, key: CacheKey, group: LinkGroup, now: float, asker: bytes = b"") -> None:
        """`asker` is who asked first, see `Floods`."""
        self.key = key
        self.asker = asker
        self.group = group
        self.started = now
        self.due = now  # when it is to be looked at next
        self.asked = 0
        self.tried = 0  # a bit for each upstream of the group that was asked
        self.again = -1  # the upstream that is asked again when it is due
        self.tries: list[Try] = []
        self.said: dict[int, str] = {}  # what upstreams did, in sentences, by their place in the group
        self.servfail: Response | None = None  # as the first upstream said it that gave a reason
        self.is_about_name = False  # whether some upstream failed for this question, and not for every one
        self.outcome: Response | Failure | None = None
        self.doubted = 0  # how far it is counted among those below its domain that take long, see `Askers`
        self.counted = 0  # and among those that fail
        self.is_done = False  # nobody waits any more; it is listened to for late answers
        self.is_resolved = False  # an answer has come
        self.is_gone = False  # nothing is listened to
        self.waiters: list[asyncio.Future[Response | Failure]] = []

    @property
    def open_tries(self) -> list[Try]:
        """The tries whose answers may still come."""
        return [made for made in self.tries if made.is_open]

    @property
    def fails_alone(self) -> bool:
        """Whether it is this question that fails, and not all that its upstreams are asked."""
        return self.is_about_name or any(made.link.health.is_heard_since(made.sent) for made in self.open_tries)

    def tell(self, outcome: Response | Failure) -> None:
        """Tell those who wait and have not given up."""
        self.outcome = outcome
        self.is_done = True
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(outcome)
        self.waiters = []

    # What is counted below its domain.

    def doubt(self, floods: Floods, now: float) -> None:
        """Count it among those that take long, until it ends."""
        if not self.doubted:
            self.doubted = floods.note_doubt(self.key[0], self.asker, now)

    def end_doubt(self, floods: Floods) -> None:
        """Count it among those that take long no more."""
        if self.doubted:
            floods.end_doubt(self.key[0], self.asker, self.doubted)
            self.doubted = 0

    def count_failure(self, floods: Floods, now: float) -> None:
        """Count it among those that fail, once, now that it has ended."""
        self.end_doubt(floods)
        if not self.counted:
            self.counted = floods.note_failure(self.key[0], self.asker, now)

    def take_back(self, floods: Floods) -> None:
        """Count it no more: it has been answered after all."""
        self.end_doubt(floods)
        if self.counted:
            floods.take_back(self.key[0], self.asker, self.counted)
            self.counted = 0
