"""The file of tokens while the daemon runs: looked at for each request that sends a token, and read if it has changed.

So a token works as soon as it is made, and does not work any more as soon as it is removed. If the file is damaged, or
others than blockd's user could write it, no token works: whoever is on the machine has the socket.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from blockd.errors import cause_of
from blockd.files import Stamp, identity_of, open_kept, read_rest, stamp_from
from blockd.web.callers.tokens import FILE, MAX_FILE, AccessToken, found_in, tokens_in

_TOO_OPEN = stat.S_IWGRP | stat.S_IRWXO
Changed = Callable[[Sequence[AccessToken]], None]
"""Takes the tokens of now."""

log = logging.getLogger(__name__)


class TokenFile:
    """The tokens in a state folder; `changed` is told of all that the file has when it was read, however few.

    It is not told of a file that cannot be read, or lies in a folder that is out of reach: no token of it was removed.
    """

    def __init__(self, folder: Path, clock: Callable[[], float], changed: Changed = lambda _: None) -> None:
        self.trouble = ""  # why no token works, as a sentence
        self._path = folder / FILE
        self._folder = identity_of(folder)
        self._clock = clock
        self._changed = changed
        self._stamp: Stamp | None = None
        self._has_looked = False
        self._tokens: tuple[AccessToken, ...] = ()

    @property
    def tokens(self) -> tuple[AccessToken, ...]:
        """The tokens that the file has now, expired ones among them."""
        self.look()
        return self._tokens

    def find(self, digest: str) -> AccessToken | None:
        """Return the token with a digest, see `digest_of`; None if there is none, or it has expired."""
        return found_in(self.tokens, digest, self._clock())

    def look(self) -> None:
        """Read the file if it is another than was read."""
        try:
            stamp = stamp_from(self._path.lstat())
        except FileNotFoundError:
            if identity_of(self._path.parent) != self._folder:  # moved away, or its disk is not mounted
                self._take((), None, "the state folder of the start is not in its place")
            elif self._tokens or self.trouble or not self._has_looked:
                self._take((), None, "")
            return
        except OSError as error:
            self._take((), None, cause_of(error))
            return
        if stamp == self._stamp:
            return
        try:
            with open_kept(self._path) as file:
                status = os.fstat(file.fileno())
                if status.st_mode & _TOO_OPEN:
                    raise ValueError("others than blockd's user could write it, or others than its group read it")
                if status.st_uid not in (0, os.geteuid()):
                    raise ValueError("it belongs to another user than blockd's")
                tokens = tokens_in(read_rest(file, MAX_FILE))
        except (OSError, ValueError) as error:
            self._take((), stamp, cause_of(error))
        else:
            self._take(tokens, stamp, "")

    def _take(self, tokens: tuple[AccessToken, ...], stamp: Stamp | None, why: str) -> None:
        trouble = "" if not why else (
            f"{self._path} cannot be used: {why}. No token works until that is mended; the admin socket does."
        )  # fmt: skip
        if trouble and trouble != self.trouble:
            log.error("%s", trouble)
        self._has_looked = True
        self._tokens, self._stamp, self.trouble = tokens, stamp, trouble
        if not trouble:
            self._changed(tokens)
