"""The first generation of a daemon: read, bound and checked with the rights of the start, which are then given up."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.preconditions import lacking
from blockd.daemon.processes.jobs import CODE
from blockd.daemon.reload.generation import Generation, Secrets, state_of
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.rights import landlock
from blockd.daemon.rights.account import Account, acting_as, become
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, close_memory
from blockd.daemon.rights.state_folder import make_for
from blockd.daemon.shared_gate import SharedGate
from blockd.daemon.upstreams.news import tell
from blockd.errors import ConfigError
from blockd.files import limit_modes
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings
from blockd.transports import descriptors
from blockd.transports.binding import bind
from blockd.transports.given.sockets import GivenSockets

log = logging.getLogger(__name__)


def first(settings: Settings, config: Path, given: GivenSockets) -> tuple[Generation, Lasting, SharedGate]:
    """Return the first generation, what outlives it, and its gate, which is still being read: `check` waits for it.

    The state folder is locked. `config` is the config file's path, `given` what may be listened on instead of new
    sockets. Raises ConfigError with all that is in the way.
    """
    running = ConfigWatch(settings, config)
    descriptors.raise_limit()
    if reasons := lacking(settings, given):
        raise ConfigError(str(config), reasons)
    limit_modes()
    account = Account.of(settings.user) if settings.user else None
    make_for(settings.state_dir, account)
    with acting_as(account):  # what lies in the folder is never opened with root's rights
        state = state_of(settings)
        state.take_lock()
    sockets = bind(settings, str(config), given)
    # Before the user changes: only the starting user may be able to read its lists.
    gate = SharedGate(settings.gate, settings.feeds, account)
    lasting = Lasting.drawn(account, settings.workers)
    secrets = Secrets.read(settings, lasting)
    certificates = HandedCertificates.checked(settings.certificates, str(config))
    if account is not None:
        for code in CODE.values():
            importlib.import_module(code)  # now, as that user may not be able to read it
        sockets.give_to(account.uid, account.gid)
    become(account, [CAP_NET_BIND_SERVICE])  # for what a reload binds; its children have no use for it, and drop it
    close_memory()
    if not landlock.abi():
        log.warning(
            "The kernel has no Landlock: a process that was broken into has all rights of blockd's user; see "
            "docs/auditor/threat-model.md."
        )
    state.secure()
    state.tidy()
    state.room.look()  # before anything is written: a full disk must not keep it from starting
    resolution = Resolution.of(settings)
    descriptors.tell(descriptors.Shares.of(settings), len(resolution.upstreams))
    tell(None, resolution)
    made = Generation.of(
        settings, config, running, state, sockets, gate, secrets, certificates, resolution, lasting
    )  # fmt: skip
    return made, lasting, gate
