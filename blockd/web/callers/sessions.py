"""Sessions of the console: a browser that has sent a token once is known by a cookie, as long as the token works.

A cookie has 256 random bits; only its SHA-256 is kept, in `sessions.json` of the state folder, so that a reload or a
restart signs nobody out. Each token has a few sessions: one more ends its oldest, and nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blockd.errors import cause_of
from blockd.files import read_kept, replace_file
from blockd.web.callers.token_file import TokenFile
from blockd.web.callers.tokens import MAX_TOKENS, SIZE, AccessToken, digest_of

FILE = "sessions.json"
MODE = 0o600  # for blockd's user alone
OF_TOKEN = 8  # sessions: browsers in which somebody is signed in
MAX_FILE = 256 << 10  # octets: so many sessions of as many tokens as there may be need half of that
LIFETIME = 12 * 3600.0  # seconds: a shift
COOKIE = "blockd_session"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A session: the digest of its cookie, that of its token, and when it began in seconds since the epoch."""

    cookie: str
    token: str
    began: float

    def is_over(self, now: float) -> bool:
        """Whether it has ended by itself; so has one that began in the future, by a clock that was set back."""
        return not self.began <= now < self.began + LIFETIME


class Sessions:
    """The sessions in a state folder, of tokens in its file; `clock` gives seconds since the epoch."""

    def __init__(self, folder: Path, tokens: TokenFile, clock: Callable[[], float]) -> None:
        self._path = folder / FILE
        self._tokens = tokens
        self._clock = clock
        self._sessions = {one.cookie: one for one in _read(self._path)}
        self._writing = asyncio.Lock()  # what is written last is what there was last

    def begin(self, token: AccessToken) -> str:
        """Begin a session of a token; return its cookie."""
        cookie = secrets.token_urlsafe(SIZE)
        self._forget()
        own = [one for one in self._sessions.values() if one.token == token.sha256]
        for oldest in own[: max(0, len(own) + 1 - OF_TOKEN)]:
            del self._sessions[oldest.cookie]
        made = ConsoleSession(digest_of(cookie), token.sha256, self._clock())
        self._sessions[made.cookie] = made
        return cookie

    def find(self, cookie: str) -> AccessToken | None:
        """Return the token of the session with a cookie; None if there is none, or the token works no more."""
        session = self._sessions.get(digest_of(cookie))
        if session is None or session.is_over(self._clock()):
            return None
        return self._tokens.find(session.token)

    def end(self, cookie: str) -> bool:
        """End the session with a cookie; return whether there was one."""
        return self._sessions.pop(digest_of(cookie), None) is not None

    async def save(self) -> None:
        """Write the sessions to the disk; a failure is logged: then a restart signs out those of now."""
        async with self._writing:
            kept = [{"cookie": one.cookie, "token": one.token, "began": one.began} for one in self._sessions.values()]
            await asyncio.to_thread(self._write, json.dumps({"sessions": kept}).encode("ascii"))

    def _write(self, octets: bytes) -> None:
        try:
            replace_file(self._path, octets, MODE)
        except OSError as error:
            log.warning(
                "%s cannot be written: %s. A restart will sign out who is signed in.", self._path, cause_of(error)
            )

    def _forget(self) -> None:
        """Forget sessions that are over, and those whose tokens work no more."""
        now = self._clock()
        gone = [one for one in self._sessions.values() if one.is_over(now) or self._tokens.find(one.token) is None]
        for one in gone:
            del self._sessions[one.cookie]


def _read(path: Path) -> list[ConsoleSession]:
    """Return the sessions kept; none if the file is missing or damaged, which signs everybody out."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        listed = json.loads(read_kept(path, MAX_FILE))["sessions"][: OF_TOKEN * MAX_TOKENS]
        return [ConsoleSession(str(one["cookie"]), str(one["token"]), float(one["began"])) for one in listed]
    return []
