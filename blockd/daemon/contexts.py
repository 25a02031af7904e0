"""What the supervisor's children are given when they are forked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockd.daemon.shared_gate import SharedGate
from blockd.daemon.sockets import Sockets
from blockd.daemon.state_dir import StateDir
from blockd.metrics import Counters, Traffic
from blockd.resolver import Probe
from blockd.settings import Settings, Upstream


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a resolver worker is given."""

    index: int
    engine: str  # which one runs, as `blockd.resolver.engine_name` gave it
    settings: Settings
    upstreams: tuple[Upstream, ...]
    sockets: Sockets
    state: StateDir
    counters: Counters
    traffic: Traffic
    version: int | None  # to enforce from the first answer on
    probe: Probe


@dataclass(frozen=True, slots=True)
class ControlContext:
    """What the control process is given."""

    settings: Settings
    config: Path
    gate: SharedGate
    sockets: Sockets
    state: StateDir
    counters: Counters
    traffic: Traffic
    version: int | None
    workers: dict[int, int]  # process ids by index
    enforcing: dict[int, int]  # the versions that workers have said they enforce, by index
    probe: Probe
    announce: bool  # whether the start-up is still to be told
