"""The data that the supervisor passes to its children when it forks them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.reload.record import ReloadHistory
from blockd.daemon.state_dir import StateDir
from blockd.daemon.worker.caches import HandedCaches
from blockd.metrics import Counters, Traffic
from blockd.metrics.upstreams import UpstreamTable
from blockd.resolver import SelfTestKey
from blockd.resolver.machine.loop_token import LoopToken
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Gate
from blockd.settings import Settings
from blockd.tls import TicketKeys
from blockd.tls.ticket_secrets import ticket_keys
from blockd.transports.binding import Sockets


@dataclass(frozen=True, slots=True)
class SharedContext:
    """The data for all children."""

    settings: Settings
    sockets: Sockets
    state: StateDir
    counters: Counters
    traffic: Traffic
    upstreams: UpstreamTable
    selftest_key: SelfTestKey
    loop_token: LoopToken
    cookie_secrets: tuple[bytes, ...] = ()  # without one clients get no server cookies
    tickets: TicketKeys = field(default_factory=lambda: ticket_keys(None, os.urandom))


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The data for a resolver worker."""

    shared: SharedContext
    index: int
    row: int  # of the counters, which no other process has meanwhile
    engine: str  # which one runs, from `blockd.resolver.engine_name`
    resolution: Resolution
    version: int | None  # to enforce from the first answer on
    certificates: HandedCertificates = field(default_factory=HandedCertificates)  # those in use
    handed: HandedCaches | None = None  # what workers before it had cached


@dataclass(frozen=True, slots=True)
class PageContext:
    """The data for the page process."""

    shared: SharedContext
    row: int  # of the counters, which no other process has meanwhile
    version: int | None  # to enforce from the first answer on
    certificates: HandedCertificates = field(default_factory=HandedCertificates)  # those in use


@dataclass(frozen=True, slots=True)
class DecideContext:
    """The data for the process that decides for HTTP proxies."""

    shared: SharedContext
    row: int  # of the counters, which no other process has meanwhile
    version: int | None  # to enforce from the first answer on


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What the supervisor knows of a process that enforces: its id, and the version that it reports to enforce."""

    pid: int
    enforcing: int | None


class GateSource(Protocol):
    """Source of the gate, see `blockd.daemon.shared_gate.SharedGate`."""

    def gate(self) -> Gate:
        """Return the gate."""

    def close(self) -> None:
        """Close what it is read from."""


@dataclass(frozen=True, slots=True)
class ControlContext:
    """The data for the control process; `version` is the one that the workers enforce.

    `running` is the config as it was read at the start.
    """

    shared: SharedContext
    config: Path
    running: ConfigWatch
    gate: GateSource
    version: int | None
    workers: dict[int, ProcessState]  # the running ones, by index
    followers: Mapping[str, ProcessState] = field(default_factory=dict, kw_only=True)  # those that run, by their kinds
    announce: bool  # whether the start-up is still to be announced
    restarted: bool = field(default=True, kw_only=True)  # whether there was a control process before it
    since: float  # when blockd was started, or this version of it took over, in seconds since the epoch
    resolution: Resolution = field(default_factory=Resolution)
    certificates: HandedCertificates = field(default_factory=HandedCertificates)  # those in use
    damaged: Mapping[int, str] = field(default_factory=dict)  # versions found damaged since the start, and why
    unverified: Mapping[int, str] = field(default_factory=dict)  # why it is not known whether these are right
    restarts: Mapping[str, int] = field(default_factory=dict)  # how often children ended since the start, by their kind
    reloads: ReloadHistory = field(default_factory=ReloadHistory)  # since the start
    supervisor: Pulse | None = None  # the pulse of that
    nursery: socket.socket | None = None  # where its child processes are forked, see `blockd.daemon.update.nursery`
