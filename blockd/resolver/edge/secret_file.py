"""Files with secrets that several servers share: one in a line, in hexadecimal digits; the first of them signs."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockd.errors import FileTooLarge
from blockd.files import read_configured

MAX_SECRETS = 8  # of a file: what was signed by none of them costs a hash for each
MAX_FILE = 4096  # octets

_OTHERS = stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A kind of such a file."""

    place: str  # the setting that names it
    size: int  # octets of a secret
    harm: str  # what those could do who read it

    def secrets(self, path: Path | None) -> tuple[bytes, ...]:
        """Return the secrets of a file; none without a file, or if it cannot be used: `problems_of` says why."""
        return () if path is None or any(self.problems_of(path)) else tuple(map(bytes.fromhex, _lines(path)))

    def problems_of(self, path: Path | None) -> Iterator[str]:
        """Yield a sentence if a file cannot be used."""
        if path is None:
            return
        try:
            mode = path.stat().st_mode
            lines = _lines(path)
        except (FileTooLarge, UnicodeDecodeError):
            lines, mode = [], 0
        except OSError as error:
            yield f"{self.place}: {path} cannot be read ({error.strerror}); let the user who starts blockd read it"
            return
        line = re.compile(rf"[0-9A-Fa-f]{{{2 * self.size}}}", re.ASCII)
        if mode & _OTHERS:
            yield f"{self.place}: {path} is open to every user of this machine, who could {self.harm}; `chmod o-rw` it"
        elif not lines or len(lines) > MAX_SECRETS or not all(map(line.fullmatch, lines)):
            yield (
                f"{self.place}: {path} does not have 1 to {MAX_SECRETS} lines of {2 * self.size} hexadecimal digits "
                f"each; make one with `openssl rand -hex {self.size}`"
            )


def _lines(path: Path) -> list[str]:
    """Return the lines of a file but for empty ones and comments; raises OSError, UnicodeDecodeError."""
    lines = [line.strip() for line in read_configured(path, MAX_FILE).decode("ascii").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
