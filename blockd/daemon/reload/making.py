"""A generation is made of a config that was checked, beside the one in force."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.daemon.config_watch import ConfigWatch, named_files
from blockd.daemon.reload.changes import ConfigChange
from blockd.daemon.reload.checking import CheckedConfig
from blockd.daemon.reload.generation import Generation, Secrets, seen_by
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.reload.sections import AT_A_START
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings
from blockd.tls.tickets import SharedKeys
from blockd.transports.listening.change import SocketChange, changed


def content_changed(before: Settings, settings: Settings) -> Settings:
    """Return what a reload takes of a config: what only a start can take stays as it is."""
    return settings.model_copy(update={key: getattr(before, key) for key in AT_A_START})


def changed_files(before: ConfigWatch, after: ConfigWatch, settings: Settings) -> Sequence[ConfigChange]:
    """Return which of the files that both configs name have another content."""
    known = {file.path: file for file in before.files[1:]}
    now = {file.path: file for file in after.files[1:]}
    return [
        ConfigChange(setting, f"{path} has another content")
        for setting, path in dict.fromkeys(named_files(settings))
        if path in known and path in now and now[path].stamp != known[path].stamp
        and now[path].digest != known[path].digest
    ]  # fmt: skip


def made_of(
    before: Generation, settings: Settings, running: ConfigWatch, checked: CheckedConfig, lasting: Lasting
) -> tuple[Generation, SocketChange]:
    """Return the generation, and what is changed of its sockets; raises ConfigError if an address cannot be had.

    What `checked` has handed over belongs to the generation afterwards.
    """
    shared = before.shared
    cookies, tickets = shared.cookie_secrets, shared.tickets
    if settings.clients.cookie_secrets is None:
        cookies = (lasting.cookie_secret,)
    elif checked.cookies is not None:
        cookies = checked.cookies
    if settings.tls.ticket_secrets is None:
        tickets = lasting.tickets
    elif checked.tickets is not None:
        tickets = SharedKeys(checked.tickets)
    listening = changed(shared.sockets, settings, str(before.config))
    gate, certificates = checked.gate or before.gate, checked.certificates or before.certificates
    checked.gate = checked.certificates = None
    made = Generation.of(
        settings, before.config, running, seen_by(shared.state, settings), listening.sockets, gate,
        Secrets(cookies, tickets), certificates, Resolution.of(settings), lasting,
    )  # fmt: skip
    return made, listening
