"""Changing the file of tokens: one program at a time, whole, and for blockd's user to read whoever does it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from blockd.errors import CommandError, cause_of
from blockd.files import replacing
from blockd.web.callers.tokens import FILE, MAX_TOKENS, MODE, AccessToken, file_of, read_tokens

Change = Callable[[Sequence[AccessToken]], Sequence[AccessToken]]
"""Takes the tokens there are, and returns those that are to be there."""


def change_tokens(folder: Path, change: Change) -> None:
    """Change the tokens kept in a state folder; raises CommandError, and nothing was changed."""
    try:
        with _alone(folder):
            tokens = change(read_tokens(folder))
            if len(tokens) > MAX_TOKENS:
                raise CommandError(
                    f"there are {MAX_TOKENS} tokens, which is as many as there may be: `blockd token remove NAME` "
                    "makes room; nothing was changed"
                )
            owner = folder.stat()
            with replacing(folder / FILE, MODE) as file:
                if os.geteuid() == 0:  # else it is this user's, and none but blockd's may write there
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.write(file_of(tokens))
    except FileNotFoundError as error:
        raise CommandError(
            f"there is no state folder {folder}: it is made by the first start of blockd; nothing was changed"
        ) from error
    except OSError as error:
        raise CommandError(
            f"{folder / FILE} cannot be changed: {cause_of(error)}. Run this as root, or as the user that blockd runs "
            "as; nothing was changed"
        ) from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other program changes the tokens of a state folder, and have none do it meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
