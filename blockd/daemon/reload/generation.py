"""A generation: one config, with all that is made of it for the processes that serve by it.

The first one is made at a start, while blockd still has the rights that it was started with; each reload makes another.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import GateSource, SharedContext
from blockd.daemon.processes.children import Role
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.state_dir import StateDir
from blockd.names import translations
from blockd.resolver.edge.cookie_secrets import cookie_secrets
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings
from blockd.settings.groups import ClientGroups
from blockd.tls import TicketKeys
from blockd.tls.ticket_secrets import ticket_keys
from blockd.transports.binding import Sockets


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that several servers may share: those of the config's files, else those of this daemon."""

    cookies: tuple[bytes, ...]
    tickets: TicketKeys

    @classmethod
    def read(cls, settings: Settings, lasting: Lasting) -> Self:
        """Read the files that a config names."""
        shared = settings.tls.ticket_secrets
        return cls(
            cookie_secrets(settings.clients.cookie_secrets, lambda _: lasting.cookie_secret),
            lasting.tickets if shared is None else ticket_keys(shared, os.urandom),
        )


@dataclass(slots=True)
class Generation:
    """What children are forked with; `resolution` follows what the control process sees of the machine."""

    config: Path
    running: ConfigWatch
    gate: GateSource
    shared: SharedContext
    resolution: Resolution
    certificates: HandedCertificates  # those in use; the same object to the end

    @classmethod
    def of(
        cls,
        settings: Settings,
        config: Path,
        running: ConfigWatch,
        state: StateDir,
        sockets: Sockets,
        gate: GateSource,
        secrets: Secrets,
        certificates: HandedCertificates,
        resolution: Resolution,
        lasting: Lasting,
    ) -> Self:
        """Put one together of what was read and bound for it."""
        shared = SharedContext(
            settings, sockets, state, lasting.counters, lasting.traffic, lasting.upstreams, lasting.selftest_key,
            lasting.loop_token, secrets.cookies, secrets.tickets,
        )  # fmt: skip
        return cls(config, running, gate, shared, resolution, certificates)

    @property
    def settings(self) -> Settings:
        """The config."""
        return self.shared.settings

    def groups_of(self, role: Role) -> list[list[socket.socket]]:
        """Return the sockets that a process serves, in groups."""
        sockets = self.shared.sockets
        if role.kind == "worker":
            return sockets.of_worker(role.index)
        pages = [sockets.block_page_http, sockets.block_page_https, sockets.public_http, sockets.public_https]
        return {"page": pages, "decide": [sockets.decide], "control": [sockets.admin]}.get(role.kind, [])

    def forget(self, *, but: Generation) -> None:
        """Close what was read for this generation, but for what another one has, too."""
        if self.certificates is not but.certificates:
            self.certificates.close()
        if self.gate is not but.gate:
            self.gate.close()

    def see(self, observation: Observation) -> None:
        """Have later workers start with what the control process has seen of the machine."""
        if observation != self.resolution.observation:
            self.resolution = Resolution.by(self.settings, observation)


def seen_by(state: StateDir, settings: Settings) -> StateDir:
    """Return the state folder as another config has its content enforced."""
    return state.seen_by(translations(settings.clients.nat64_prefixes), ClientGroups(settings.groups))


def state_of(settings: Settings) -> StateDir:
    """Return the state folder of a config, by whose groups and prefixes what it has is enforced."""
    groups = ClientGroups(settings.groups)
    return StateDir(settings.state_dir, translations(settings.clients.nat64_prefixes), groups)
