"""What must be so on this machine before blockd can start: `blockd run` and `blockd check` both ask here."""

from __future__ import annotations

import os
import pwd
import resource
from collections.abc import Iterator
from pathlib import Path

from blockd.daemon.processes.writability import bears_read_only, first_unwritable
from blockd.daemon.state_dir import is_held
from blockd.feeds.budget import octets_text
from blockd.settings import Settings
from blockd.transports.binding import troubles

PROC = Path("/proc/self")
ADDRESS_SPACE = 1 << 30  # octets: mapped, not used; threads alone map 8 MiB each
DESCRIPTORS_OF_CHILD = 4  # of the supervisor for each child
DESCRIPTORS_OF_ITS_OWN = 64  # of any process, for its event loop, for files, clients and upstreams


def lacking(settings: Settings) -> list[str]:
    """Return a sentence for each reason why a start by this process would be refused; none if there is none.

    If a blockd runs with the same state folder, its sockets are not in the way: they are those that it would have.
    """
    if lacking := list(_means(settings)):  # without which nothing else can be found out
        return lacking
    return [*_user(settings.user), *_state(settings), *_sockets(settings)]


def _means(settings: Settings) -> Iterator[str]:
    """Say what of the kernel's is too little for any start: /proc, descriptors, address space."""
    if not (PROC / "status").exists():
        yield "blockd needs /proc, to limit the memory of compiling among others, and it is not mounted here; mount it"
    listen = settings.listen
    sockets = 2 * settings.workers * len(listen.dns) + len(listen.block_page.http) + len(listen.block_page.https) + 1
    needed = sockets + DESCRIPTORS_OF_CHILD * (settings.workers + 2) + DESCRIPTORS_OF_ITS_OWN
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield (
            f"this process may open {hard} files (RLIMIT_NOFILE), and needs {needed} with this config; raise the "
            "limit (LimitNOFILE= in systemd, `ulimit -n` in a shell)"
        )
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY and space < ADDRESS_SPACE:
        yield (
            f"this process may have {octets_text(space)} of memory mapped (RLIMIT_AS), and needs "
            f"{octets_text(ADDRESS_SPACE)} and three times the size of the ruleset; raise the limit, or remove it and "
            "limit what is used instead (MemoryMax= in systemd)"
        )


def _user(user: str) -> Iterator[str]:
    if not user:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        yield f"user: there is no user {user!r} on this machine"
        return
    if not _may_set_ids():
        yield f"user: this process may not become {user!r} ({entry.pw_uid}): start it as root, or remove the key"


def _may_set_ids() -> bool:
    """Return whether this process has CAP_SETGID and CAP_SETUID, which changing the user takes (capabilities(7))."""
    for line in (PROC / "status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16) & (1 << 6 | 1 << 7) == (1 << 6 | 1 << 7)
    return False


def _state(settings: Settings) -> Iterator[str]:
    """Say why the state folder cannot be used; a missing one is made, if the first folder above it lets this user."""
    folder = settings.state_dir
    place = next((path for path in (folder, *folder.parents) if path.exists() or path.is_symlink()), folder)
    if not place.is_dir():
        yield f"state_dir: {place} is not a folder; name another, or remove it"
        return
    try:
        path = first_unwritable(folder) if place == folder else None if os.access(place, os.W_OK | os.X_OK) else place
    except OSError as error:
        yield f"state_dir: {error.filename} cannot be read: {error.strerror}"
        return
    if path is not None and not bears_read_only(folder):
        yield (
            f"state_dir: {path} cannot be written by this user ({os.geteuid()}); "
            "change its owner to the user that blockd runs as"
        )


def _sockets(settings: Settings) -> Iterator[str]:
    found = troubles(settings)
    is_running = bool(found) and is_held(settings.state_dir)
    for trouble in found:
        if not (trouble.is_taken and is_running):
            yield str(trouble)
