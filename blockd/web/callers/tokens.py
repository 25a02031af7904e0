"""Tokens: what a program or a person sends to be known at the admin port, each with a name and a role.

The file `tokens.json` of the state folder has of each token the SHA-256 only. A token has 256 random bits, so that a
fast digest is enough: there is nothing to guess. The file is

{"tokens": [{"name": "support", "role": "read", "sha256": "…", "created": "2026-11-30T12:00:00Z", "expires": null,
             "by": "user root"}]}
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockd.errors import CommandError, cause_of
from blockd.files import read_kept
from blockd.times import time_from_text, time_text
from blockd.web.callers.role import AccessRole, Caller

FILE = "tokens.json"
MODE = 0o640  # for blockd's user and its group: nobody else learns who has a token
MAX_TOKENS = 64  # all are compared with what a request sends
MAX_NAME = 63  # characters
MAX_FILE = 64 << 10  # octets: so many tokens need a third of that
PREFIX = "blockd_"  # by which people, and programs that look for secrets in repositories, know one
SIZE = 32  # random octets of a token
MAX_TEXT = 128  # characters of what is looked at as a token: more than one has
ROLES = (AccessRole.METRICS, AccessRole.READ, AccessRole.OPERATOR)

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BY = re.compile(r"[!-~ ]{0,80}", re.ASCII)
_KEYS = {"name", "role", "sha256", "created", "expires", "by"}


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token as it is kept: without its text; times are seconds since the epoch, `expires` None for never."""

    name: str
    role: AccessRole
    sha256: str  # of its text, as hexadecimal digits
    created: float
    expires: float | None = None
    by: str = ""  # who made it, as `Caller.name`

    def is_over(self, now: float) -> bool:
        """Whether it has expired."""
        return self.expires is not None and now >= self.expires

    @property
    def caller(self) -> Caller:
        """Who sends it."""
        return Caller(f"token {self.name}", self.role, "token")

    def to_json(self) -> dict[str, object]:
        """Return it as the file has it."""
        return {
            "name": self.name,
            "role": self.role.text,
            "sha256": self.sha256,
            "created": time_text(self.created),
            "expires": None if self.expires is None else time_text(self.expires),
            "by": self.by,
        }


def new_text() -> str:
    """Return the text of a new token."""
    return PREFIX + secrets.token_urlsafe(SIZE)


def digest_of(text: str) -> str:
    """Return the SHA-256 of a token's text, as hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def checked_name(name: str) -> str:
    """Return the name of a token; raises CommandError if it cannot be one."""
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"a token's name has at most {MAX_NAME} letters, digits, dots, hyphens and underscores, and begins with a "
            "letter or a digit; nothing was changed"
        )
    return name


def found_in(tokens: Iterable[AccessToken], digest: str, now: float) -> AccessToken | None:
    """Return the token with a digest that has not expired; which one it is, or is like, the time it takes tells not."""
    found = None
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest) and not token.is_over(now):
            found = token
    return found


def tokens_in(octets: bytes) -> tuple[AccessToken, ...]:
    """Read a file of tokens; raises ValueError, with what is wrong in it, unless all of it is right."""
    if not octets:
        return ()  # just made, by who is about to add one
    try:
        data = json.loads(octets)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(data, dict) or not isinstance(listed := data.get("tokens"), list) or len(data) != 1:
        raise ValueError('it is not {"tokens": [...]}')
    if len(listed) > MAX_TOKENS:
        raise ValueError(f"it has more than {MAX_TOKENS} tokens")
    tokens = tuple(_token(number, one) for number, one in enumerate(listed))
    if len({token.name for token in tokens}) < len(tokens):
        raise ValueError("two of its tokens have the same name")
    return tokens


def _token(number: int, data: object) -> AccessToken:
    where = f"tokens[{number}]"
    if not isinstance(data, dict) or data.keys() != _KEYS:
        raise ValueError(f"{where} has other keys than {', '.join(sorted(_KEYS))}")
    texts = {key: data[key] for key in _KEYS if data[key] is not None}
    if not all(isinstance(text, str) for text in texts.values()) or not texts.keys() >= _KEYS - {"expires"}:
        raise ValueError(f"{where} has a value that is not a string")
    role = next((role for role in ROLES if role.text == texts["role"]), None)
    for key, is_right in (
        ("name", _NAME.fullmatch(texts["name"])),
        ("role", role),
        ("sha256", _DIGEST.fullmatch(texts["sha256"])),
        ("by", _BY.fullmatch(texts["by"])),
    ):
        if not is_right:
            raise ValueError(f"{where}.{key} has a value that it cannot have")
    if role is None:
        raise ValueError(f"{where}.role has a value that it cannot have")
    created, expires = (time_from_text(texts[key]) if key in texts else None for key in ("created", "expires"))
    return AccessToken(texts["name"], role, texts["sha256"], created or 0.0, expires, texts["by"])


def file_of(tokens: Sequence[AccessToken]) -> bytes:
    """Return the file that has these tokens."""
    return json.dumps({"tokens": [token.to_json() for token in tokens]}, indent=1).encode("ascii") + b"\n"


def read_tokens(folder: Path) -> tuple[AccessToken, ...]:
    """Return the tokens kept in a state folder, none if there is no file.

    Raises CommandError if it is damaged, or not for this user.
    """
    path = folder / FILE
    try:
        return tokens_in(read_kept(path, MAX_FILE))
    except FileNotFoundError:
        return ()
    except PermissionError as error:
        raise CommandError(
            f"{path} cannot be read by this user: run this as root, or as the user that blockd runs as; nothing was "
            "changed"
        ) from error
    except (OSError, ValueError) as error:
        raise CommandError(
            f"{path} cannot be used: {cause_of(error)}. No token works until that is mended; nothing was changed. "
            "Restore it from a backup, or remove it and make the tokens anew"
        ) from error
