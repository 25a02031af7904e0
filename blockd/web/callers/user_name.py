"""What a user of this machine is called in records: by name, if that is one which they can all have."""

from __future__ import annotations

import pwd
import re

MAX_NAME = 64  # characters: a directory service has longer ones than useradd(8), which takes 32
_NAME = re.compile(rf"[!-~]{{1,{MAX_NAME}}}", re.ASCII)


def recorded_name(uid: int) -> str:
    """Return the user's name if it is printable ASCII without blanks, and not too long; else the number."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return str(uid)
    return name if _NAME.fullmatch(name) else str(uid)
