"""Callers whom a test knows: one token of each role."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from blockd.web.callers.attempts import WrongAttempts
from blockd.web.callers.caller import AccessRole
from blockd.web.callers.recognition import Callers
from blockd.web.callers.sessions import Sessions
from blockd.web.callers.token_file import TokenFile
from blockd.web.callers.tokens import ROLES, AccessToken, digest_of

TEXTS = {role: f"blockd_{role.text}" for role in ROLES}
SECRET = TEXTS[AccessRole.OPERATOR]


class Tokens(TokenFile):
    """Tokens that are not in a file."""

    def __init__(self, *tokens: AccessToken) -> None:
        super().__init__(Path("/nowhere-of-blockd"), time.time)
        self.kept = tokens

    @property
    def tokens(self) -> tuple[AccessToken, ...]:
        return self.kept


def token_of(user: int) -> str:
    """Return the text of a token that a user may have."""
    return f"blockd_user-{user}"


def known(monotonic: Callable[[], float] = time.monotonic, users: Iterable[int] = ()) -> Callers:
    """Return callers of whom each role's token is known, called as the role, and one to read of each of some users."""
    tokens = [AccessToken(role.text, role, digest_of(text), 0.0) for role, text in TEXTS.items()]
    tokens += [AccessToken(f"user-{user}", AccessRole.READ, digest_of(token_of(user)), 0.0) for user in users]
    kept = Tokens(*tokens)
    return Callers(kept, Sessions(Path("/nowhere-of-blockd"), kept, time.time), WrongAttempts(monotonic))
