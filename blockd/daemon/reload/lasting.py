"""What outlives every config of one daemon: memory that all its processes share, and secrets that no file has."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Self

from blockd.daemon.rights.account import Account
from blockd.metrics import Counters, Traffic
from blockd.metrics.counters import OTHERS
from blockd.metrics.upstreams import UpstreamTable
from blockd.resolver import SelfTestKey
from blockd.resolver.edge.cookie_sizes import SECRET as COOKIE_SECRET
from blockd.resolver.machine.loop_token import LoopToken
from blockd.tls import TicketKeys
from blockd.tls.ticket_secrets import ticket_keys

TRAFFIC_KEY = 16  # octets


@dataclass(frozen=True, slots=True)
class Lasting:
    """Counters that go on, and what was drawn at the start; `account` is the user that blockd has become, if any."""

    account: Account | None
    counters: Counters
    traffic: Traffic
    upstreams: UpstreamTable
    selftest_key: SelfTestKey
    loop_token: LoopToken
    cookie_secret: bytes  # of server cookies, unless a file has some
    tickets: TicketKeys  # of TLS sessions, unless a file has secrets of theirs

    def grow(self, workers: int) -> None:
        """Have counters for so many workers and their successors, and for the other processes and theirs."""
        rows = 2 * (workers + len(OTHERS)) + 1  # and for a worker that is only tried
        for rows_of in (self.counters, self.traffic, self.upstreams):
            rows_of.grow(rows)

    def forget(self, row: int | None) -> None:
        """Have nothing counted any more of what a process had that has ended, such as its cache."""
        if row is not None:
            self.counters.row(row).cache_emptied()
            self.upstreams.forget(row)

    @classmethod
    def drawn(cls, account: Account | None, workers: int) -> Self:
        """Return new ones, with a row for each of so many workers."""
        made = cls(
            account,
            Counters(workers),
            Traffic(workers, secrets.token_bytes(TRAFFIC_KEY)),
            UpstreamTable(workers),
            SelfTestKey.make(os.urandom),
            LoopToken.make(os.urandom),
            os.urandom(COOKIE_SECRET),
            ticket_keys(None, os.urandom),
        )
        made.grow(workers)
        return made
