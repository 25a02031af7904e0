"""What the supervisor's children are given when they are forked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blockd.daemon.state_dir import StateDir
from blockd.metrics import Counters, Traffic
from blockd.resolver import SelfTestKey
from blockd.ruleset import Gate
from blockd.settings import Settings, Upstream
from blockd.transports.binding import Sockets


@dataclass(frozen=True, slots=True)
class SharedContext:
    """What all children are given alike."""

    settings: Settings
    sockets: Sockets
    state: StateDir
    counters: Counters
    traffic: Traffic
    selftest_key: SelfTestKey


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a resolver worker is given."""

    shared: SharedContext
    index: int
    engine: str  # which one runs, as `blockd.resolver.engine_name` gave it
    upstreams: tuple[Upstream, ...]
    version: int | None  # to enforce from the first answer on


class GateSource(Protocol):
    """Where the gate is kept, see `blockd.daemon.shared_gate.SharedGate`."""

    def gate(self) -> Gate:
        """Return the gate."""


@dataclass(frozen=True, slots=True)
class ControlContext:
    """What the control process is given; `version` is what the workers enforce."""

    shared: SharedContext
    config: Path
    gate: GateSource
    version: int | None
    workers: dict[int, WorkerState]  # those that run, by index
    announce: bool  # whether the start-up is still to be told


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What the supervisor knows of a worker: its process id, and the version that it has said it enforces."""

    pid: int
    enforcing: int | None
