"""The test of a worker of this program, on private sockets, by the config and the ruleset in force."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import cast

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.channel import Channel, Message
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import WorkerContext
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes.children import Role, how_it_ended
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.reload import canary
from blockd.daemon.reload.generation import Generation, Secrets, state_of
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.shared_gate import HandedGate
from blockd.daemon.worker import process as worker
from blockd.resolver import engine_name
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings
from blockd.transports.binding import Sockets


class _Said:
    """Takes what a test says."""

    def __init__(self) -> None:
        self.message: Message = {}

    def send(self, message: Message) -> None:
        """Keep it."""
        self.message = message


def test_failure(settings: Settings, config: Path, version: int | None, now: float) -> str:
    """Return what is wrong with a worker of this program that enforces a version; empty if nothing is.

    Raises RulesetError if the version cannot be opened. Nothing in the state folder is written.
    """
    state, lasting = state_of(settings), Lasting.drawn(None, 1)
    if version is not None:
        state.prepare(version, HitSlots(state.folder / "hit-slots.json"), now, verify=False).close()
    certificates = HandedCertificates.checked(settings.certificates, str(config))
    gate = cast(HandedGate, None)  # which workers have no use for
    made = Generation.of(
        settings, config, ConfigWatch(settings, config), state, Sockets(), gate, Secrets.read(settings, lasting),
        certificates, Resolution.of(settings), lasting,
    )  # fmt: skip
    shared, address = canary.private(made.shared)
    work = WorkerContext(shared, 0, 0, engine_name(), made.resolution, version, certificates)
    family, said = Family(Reaper()), _Said()
    tried = family.fork(Role("canary"), lambda channel: worker.run(work, channel, "canary"), lambda: None)
    try:
        canary.CanaryTest(shared, version, address, asks_upstreams=False).run(cast(Channel, said))
    finally:
        tried.send_signal(signal.SIGKILL)
        status = family.bury(tried)
        shared.sockets.close()
    failure = str(said.message.get("failed", "")).removesuffix(".")
    ended = how_it_ended(status)
    return f"{failure} ({ended})" if failure and ended != "killed by SIGKILL" else failure
