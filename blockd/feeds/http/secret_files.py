"""Files with secrets for a list's server or a proxy: read anew for each fetch, so that they can be changed at any time.

None of their content is ever in a message, a report or a log.
"""

from __future__ import annotations

import base64
import re
import stat
from pathlib import Path

from blockd.errors import FeedRefused, FileTooLarge, cause_of
from blockd.files import read_configured

MAX_FILE = 16 * 1024  # octets: servers take headers of 8 or 16 KiB
MAX_HEADERS = 32
_OTHERS = stat.S_IROTH | stat.S_IWOTH
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110 section 5.6.2)
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
# Headers that say how a list is fetched, or what is between blockd and the next server.
_RESERVED = re.compile(
    r"host|connection|keep-alive|te|trailer|transfer-encoding|content-.*|upgrade|expect|range|if-.*|accept-encoding|"
    r"proxy-.*",
    re.IGNORECASE,
)


def read_headers(path: Path) -> dict[str, str]:
    """Return the headers in a file, one in a line as `Name: value`; raises FeedRefused("key")."""
    headers: dict[str, str] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _unusable(f"line {number} of {path} is not a header", "Write it as `Name: value`.")
        if _RESERVED.fullmatch(name):
            raise _unusable(f"line {number} of {path} sets a header that blockd sets itself", "Remove it.")
        headers[name.title()] = value  # names are the same in any case
    if not headers or len(headers) > MAX_HEADERS:
        raise _unusable(f"{path} has {len(headers)} headers, not 1 to {MAX_HEADERS}", "Write one in a line.")
    return headers


def read_token(path: Path) -> str:
    """Return the one line of a file, a token; raises FeedRefused("key")."""
    text = _text(path).strip()
    if not _VALUE.fullmatch(text) or " " in text:
        raise _unusable(f"{path} is not one token", "Write the token there alone, in one line.")
    return text


def read_login(path: Path) -> tuple[str, str]:
    """Return user and password from the one line of a file, `user:password`; raises FeedRefused("key")."""
    user, colon, password = _text(path).strip("\r\n").partition(":")
    if not colon or not user or any(not character.isprintable() for character in user + password):
        raise _unusable(f"{path} is not a user and a password", "Write `user:password` there, in one line.")
    return user, password


def basic(login: tuple[str, str]) -> str:
    """Return the value of an Authorization header for a login (RFC 7617), its text in UTF-8."""
    return "Basic " + base64.b64encode(":".join(login).encode()).decode("ascii")


def must_be_closed(path: Path) -> None:
    """Raise FeedRefused("key") if a file cannot be found, or every user of this machine may read or write it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unusable(f"{path} cannot be read ({cause_of(error)})", "Let blockd's user read it.") from error
    if mode & _OTHERS:
        raise _unusable(
            f"{path} is accessible to every user of this machine", "`chmod o-rw` it, and let blockd's user read it."
        )


def unusable(path: Path, why: str) -> FeedRefused:
    """Return the refusal for a file whose content cannot be used."""
    return _unusable(f"{path} cannot be used: {why}", "Put the right file there.")


def _text(path: Path) -> str:
    must_be_closed(path)
    try:
        return read_configured(path, MAX_FILE).decode()
    except FileTooLarge as error:
        raise _unusable(f"{path} is larger than {MAX_FILE:,} bytes", "Write only the secret there.") from error
    except UnicodeDecodeError as error:
        raise _unusable(f"{path} is not text in UTF-8", "Write the secret there as text.") from error
    except OSError as error:
        raise _unusable(f"{path} cannot be read ({cause_of(error)})", "Let blockd's user read it.") from error


def _unusable(what: str, remedy: str) -> FeedRefused:
    return FeedRefused("key", f"A secret of the feed cannot be used: {what}. Nothing is fetched. {remedy}")
