"""The secrets of server cookies: those of a file that several servers share, or a new one for this daemon alone."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from blockd.errors import FileTooLarge
from blockd.files import read_file
from blockd.resolver.edge.cookie_sizes import SECRET

MAX_SECRETS = 8  # of a file: a cookie that is not known costs a hash for each
MAX_FILE = 4096  # octets

_OTHERS = stat.S_IROTH | stat.S_IWOTH
_LINE = re.compile(rf"[0-9A-Fa-f]{{{2 * SECRET}}}", re.ASCII)


def cookie_secrets(path: Path | None, randomness: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """Return the secrets of a file, of SECRET octets each, the first of which signs; without a file, a new one.

    A file that cannot be used counts as none: `problems_of` says why, and a start is refused.
    """
    found = () if path is None or any(problems_of(path)) else tuple(map(bytes.fromhex, _lines(path)))
    return found or (randomness(SECRET),)


def problems_of(path: Path) -> Iterator[str]:
    """Yield a sentence if the file of `clients.cookie_secrets` cannot be used."""
    place = "clients.cookie_secrets"
    try:
        mode = path.stat().st_mode
        lines = _lines(path)
    except (FileTooLarge, UnicodeDecodeError):
        lines, mode = [], 0
    except OSError as error:
        yield f"{place}: {path} cannot be read ({error.strerror}); let the user who starts blockd read it"
        return
    if mode & _OTHERS:
        yield f"{place}: {path} is open to every user of this machine, who could forge cookies; `chmod o-rw` it"
    elif not lines or len(lines) > MAX_SECRETS or not all(map(_LINE.fullmatch, lines)):
        yield (
            f"{place}: {path} does not have 1 to {MAX_SECRETS} lines of {2 * SECRET} hexadecimal digits each; make one "
            f"with `openssl rand -hex {SECRET}`"
        )


def _lines(path: Path) -> list[str]:
    """Return the lines of a file but for empty ones and comments; raises OSError, UnicodeDecodeError."""
    lines = [line.strip() for line in read_file(path, MAX_FILE).decode("ascii").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
