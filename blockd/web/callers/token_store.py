"""Changing the file of tokens: one program at a time, whole, and for blockd's user to read whoever does it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from blockd.errors import CommandError, cause_of
from blockd.files import replacing
from blockd.web.callers.tokens import FILE, MAX_TOKENS, MODE, AccessToken, file_of, read_tokens

PATIENCE = 10.0  # seconds that another program is waited for
PAUSE = 0.05  # seconds until it is tried again
AS_OWNER = "Run this as root, or as the user that blockd runs as"

Change = Callable[[Sequence[AccessToken]], Sequence[AccessToken]]
"""Takes the tokens there are, and returns those that are to be there."""


def change_tokens(folder: Path, change: Change) -> None:
    """Change the tokens kept in a state folder; raises CommandError, and nothing was changed."""
    try:
        with _alone(folder / FILE):
            tokens = change(read_tokens(folder))
            if len(tokens) > MAX_TOKENS:
                raise CommandError(
                    f"there are {MAX_TOKENS} tokens, which is as many as there may be: `blockd token remove NAME` "
                    "makes room; nothing was changed"
                )
            with replacing(folder / FILE, MODE) as file:
                give_to_owner(file.fileno(), folder)
                file.write(file_of(tokens))
    except FileNotFoundError as error:
        raise CommandError(
            f"there is no state folder {folder}: it is made by the first start of blockd; nothing was changed"
        ) from error
    except OSError as error:
        instead = f". {AS_OWNER}" if isinstance(error, PermissionError) else ""
        raise CommandError(
            f"{folder / FILE} cannot be changed: {cause_of(error)}{instead}; nothing was changed"
        ) from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other program changes the file at a path, and have none do it meanwhile; raises OSError."""
    deadline = time.monotonic() + PATIENCE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.lstat()):  # else it was replaced while it was waited for
                give_to_owner(descriptor, path.parent)
                yield
                return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        finally:
            os.close(descriptor)


def give_to_owner(descriptor: int, folder: Path) -> None:
    """Make the owner of the folder the owner of an open file in it, as root; of another user all files are its own."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
