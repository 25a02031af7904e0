"""What must be so on this machine before blockd can start: `blockd run` and `blockd check` both ask here."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from blockd.daemon.certificates import handed as certificates
from blockd.daemon.processes.folder_lock import is_held
from blockd.daemon.processes.writability import bears_read_only, first_unwritable, may_write
from blockd.daemon.rights.account import Account, acting_as, user_name
from blockd.daemon.rights.capabilities import CAP_SETGID, CAP_SETUID, has
from blockd.daemon.rights.folders_above import exchangeable
from blockd.daemon.rights.state_folder import foreign, of_others, root_prepares
from blockd.feeds.budget import octets_text
from blockd.resolver.edge.cookie_secrets import problems_of
from blockd.settings import Settings
from blockd.tls import ticket_secrets
from blockd.transports import descriptors
from blockd.transports.binding import troubles
from blockd.transports.given.sockets import GivenSockets
from blockd.transports.http import choice as http2

PROC = Path("/proc/self")
ADDRESS_SPACE = 1 << 30  # octets: mapped, not used; threads alone map 8 MiB each


def lacking(settings: Settings, given: GivenSockets | None = None) -> list[str]:
    """Return a sentence for each reason why a start by this process would be refused; none if there is none.

    Sockets that this process was `given` are not in the way. If a blockd runs with the same state folder, its sockets
    are not either: they are those that it would have.
    """
    if lacking := list(_means(settings)):  # without which nothing else can be found out
        return lacking
    if settings.listen.doh:
        http2.why_not_native()  # raises if it has to be in C and is not there
    account, found = None, []
    if settings.user:
        try:
            account = Account.of(settings.user)
        except KeyError:
            found.append(f"user: there is no user {settings.user!r} on this machine")
        else:
            found += _may_become(account)
            account = None if found else account
    folder = settings.state_dir
    if not found and not root_prepares(folder, account):
        with acting_as(account):
            found += _state(folder)
    secrets = settings.clients.cookie_secrets
    of_cookies = () if secrets is None else problems_of(secrets)
    of_tls = [*ticket_secrets.problems_of(settings.tls.ticket_secrets)]
    of_tls += certificates.problems_of(settings.certificates)
    return [*found, *_sockets(settings, account, given), *of_cookies, *of_tls]


def _means(settings: Settings) -> Iterator[str]:
    """Say what of the kernel's is too little for any start: /proc, descriptors, address space."""
    if not (PROC / "status").exists():
        yield "blockd needs /proc, to limit the memory of compiling among others, and it is not mounted here; mount it"
    if too_few := descriptors.lacking(settings):
        yield too_few
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY and space < ADDRESS_SPACE:
        yield (
            f"this process may have {octets_text(space)} of memory mapped (RLIMIT_AS), and needs "
            f"{octets_text(ADDRESS_SPACE)} and three times the size of the ruleset; raise the limit, or remove it and "
            "limit what is used instead (MemoryMax= in systemd)"
        )


def _may_become(account: Account) -> Iterator[str]:
    if not has(CAP_SETGID, CAP_SETUID) and os.geteuid() != account.uid:
        yield (
            f"user: this process may not become {account.name!r} ({account.uid}): start it as root, or remove the key"
        )


def _state(folder: Path) -> Iterator[str]:
    """Say why the state folder cannot be used; a missing one is made, if the first folder above it lets this user."""
    if os.geteuid() != 0 and (why := exchangeable(folder, os.geteuid())):  # root is only told
        yield f"state_dir: {why}"
        return
    try:
        place = next((path for path in (folder, *folder.parents) if path.exists() or path.is_symlink()), folder)
    except PermissionError:
        yield (
            f"state_dir: a folder above {folder} is closed to this user ({os.geteuid()}); open it to the user "
            "that blockd runs as, or name another folder"
        )
        return
    if not place.is_dir():
        yield f"state_dir: {place} is not a folder; name another, or remove it"
        return
    try:
        owned = foreign(folder, os.geteuid()) if place == folder and os.geteuid() != 0 else None
        path = first_unwritable(folder) if place == folder else None if may_write(place) else place
    except OSError as error:
        yield f"state_dir: {error.filename} cannot be read: {error.strerror}"
        return
    if owned is not None:
        yield f"state_dir: {of_others(folder, owned, user_name(os.geteuid()))}"
    elif path is not None and not bears_read_only(folder):
        yield (
            f"state_dir: {path} cannot be written by this user ({os.geteuid()}); "
            "change its owner to the user that blockd runs as"
        )


def _sockets(settings: Settings, account: Account | None, given: GivenSockets | None) -> Iterator[str]:
    found = troubles(settings, given)
    with acting_as(account):  # as all in the state folder
        is_running = bool(found) and is_held(settings.state_dir)
    for trouble in found:
        if not (trouble.is_taken and is_running):
            yield str(trouble)
