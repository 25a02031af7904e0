"""What the supervisor's children are given when they are forked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockd.daemon.gate_file import GateFile
from blockd.daemon.sockets import Sockets
from blockd.daemon.state import State
from blockd.metrics import Counters, Traffic
from blockd.resolver import SelfTestKey
from blockd.settings import Settings, Upstream


@dataclass(frozen=True, slots=True)
class WorkerWork:
    """What a resolver worker is given."""

    index: int
    engine: str  # which one runs, as `blockd.resolver.engine_name` gave it
    settings: Settings
    upstreams: tuple[Upstream, ...]
    sockets: Sockets
    state: State
    counters: Counters
    traffic: Traffic
    version: int | None  # to enforce from the first answer on
    selftest_key: SelfTestKey


@dataclass(frozen=True, slots=True)
class ControlWork:
    """What the control process is given."""

    settings: Settings
    config: Path
    gate: GateFile
    sockets: Sockets
    state: State
    counters: Counters
    traffic: Traffic
    version: int | None
    workers: dict[int, int]  # process ids by index
    enforcing: dict[int, int]  # the versions that workers have said they enforce, by index
    selftest_key: SelfTestKey
    announce: bool  # whether the start-up is still to be told
