"""What must be so on this machine before blockd can start: `blockd run` and `blockd check` both ask here."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from blockd.daemon.state_dir import is_held
from blockd.resolver.edge.cookie_secrets import problems_of
from blockd.settings import Settings
from blockd.transports.binding import troubles


def lacking(settings: Settings) -> list[str]:
    """Return a sentence for each reason why a start by this process would be refused; none if there is none.

    If a blockd runs with the same state folder, its sockets are not in the way: they are those that it would have.
    """
    secrets = settings.clients.cookie_secrets
    of_cookies = () if secrets is None else problems_of(secrets)
    return [*_user(settings.user), *_state(settings), *_sockets(settings), *of_cookies]


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
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
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
    wanted = [place]
    if place == folder:
        try:
            wanted += [path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()]
        except OSError as error:
            yield f"state_dir: {error.filename} cannot be read: {error.strerror}"
            return
    for path in wanted:
        if not os.access(path, os.W_OK | os.X_OK):
            yield (
                f"state_dir: {path} cannot be written by this user ({os.geteuid()}); "
                "change its owner to the user that blockd runs as"
            )
            return


def _sockets(settings: Settings) -> Iterator[str]:
    found = troubles(settings)
    is_running = bool(found) and is_held(settings.state_dir)
    for trouble in found:
        if not (trouble.is_taken and is_running):
            yield str(trouble)
