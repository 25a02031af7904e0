"""The secret of the admin port, in a file of the state folder: who may read the file may change what is enforced.

The control process makes it once, and keeps it over restarts. `blockd.web.bearer` asks for it, the verbs send it.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path

from blockd.errors import CommandError, cause_of
from blockd.files import read_kept, replace_file

FILE = "admin.secret"
MODE = 0o640  # for blockd's user and its group
SIZE = 32  # octets, written as hexadecimal digits

_FORM = re.compile(rb"[0-9a-f]{64}\n?", re.ASCII)
_TOO_OPEN = stat.S_IWGRP | stat.S_IRWXO

log = logging.getLogger(__name__)


def admin_secret(folder: Path) -> str:
    """Return the secret in the state folder, which is made if it is missing, damaged or open to others.

    If it cannot be written, it is one that nobody knows: then nothing can be changed by the admin port.
    """
    path = folder / FILE
    try:
        if path.lstat().st_mode & _TOO_OPEN:
            log.warning("%s could be read or changed by others. It is replaced by another secret.", path)
        else:
            return _read(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning("%s cannot be used: %s. It is replaced by another secret.", path, cause_of(error))
    secret = os.urandom(SIZE).hex()
    try:
        replace_file(path, f"{secret}\n".encode(), MODE)
    except OSError as error:
        log.error(
            "%s cannot be written: %s. Enforcing goes on; the admin port refuses every change until it can be "
            "written and blockd is started again.",
            path, cause_of(error),
        )  # fmt: skip
    return secret


def known_secret(folder: Path) -> str:
    """Return the secret as a verb reads it, empty if there is none; raises CommandError if it may not be read."""
    path = folder / FILE
    try:
        return _read(path)
    except PermissionError as error:
        raise CommandError(
            f"{path} cannot be read: {cause_of(error)}. It has the secret without which blockd changes nothing: run "
            f"this as root, or as a member of the group {_group(folder)}; nothing was changed"
        ) from error
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be used: {cause_of(error)}; nothing was changed") from error


def _read(path: Path) -> str:
    """Return the secret; raises OSError, or ValueError if it has another form."""
    octets = read_kept(path, 4 * SIZE)
    if not _FORM.fullmatch(octets):
        raise ValueError("it does not hold a secret of 64 hexadecimal digits")
    return octets.decode("ascii").strip()


def _group(folder: Path) -> str:
    """Return the name of the group that the state folder belongs to, for a sentence."""
    import grp  # which only a refusal needs

    try:
        return grp.getgrgid(folder.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "blockd"
