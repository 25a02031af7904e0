"""Where the running daemon is, found in the config without reading the whole of it where it can be seen at a glance.

Reading the whole takes longer than asking the daemon. What is not written in the plainest way is left to that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from blockd.files import is_socket, open_configured, read_configured

DEFAULT_STATE, SOCKET = "../var", "admin.sock"  # as `blockd.settings` has them, which a test compares
SERVICE_STATE = "/var/lib/blockd"  # as the config of the package has it, which a test compares
MAX_CONFIG = 1 << 20  # octets looked at
MAX_NAMED = 16  # sockets and state folders that are looked for: a config has one of each

_KEY = re.compile(rb"(?:[a-z_]+:|-)(?= |$)", re.MULTILINE)  # or an item of the key before
_TOP = re.compile(rb"^[^ \t\r\n#]", re.MULTILINE)  # where a line begins that is not within another
_STATE = re.compile(rb"^state_dir:(.*)$", re.MULTILINE)
_PLAIN = re.compile(rb" +((?:[A-Za-z]|\.{0,2}/)[A-Za-z0-9_./-]*) *(?: #.*)?")
_NAMED = re.compile(rb"""(?m)^[ \t{]*["']?(state_dir|admin_socket)["']?[ \t]*:[ \t]*["']?([^\s"'#,}]+)""")
_WORDS = frozenset(("none", "null", "nil", "yes", "no", "y", "n", "on", "off", "true", "false", "auto", "default"))


def socket_at_a_glance(config: Path) -> Path | None:
    """Return the admin socket of the daemon that runs with a config; None if that takes reading it whole."""
    folder = _state_at_a_glance(config)
    return None if folder is None else folder / SOCKET


def sockets_named(config: Path) -> Iterator[Path]:
    """Yield the admin sockets that are there and may be of the daemon of a config that cannot be used as it is.

    They are where the file names them as far as it can be read, then where a config that names none has them, then
    where the package has them. Whoever asks there has to say which config is meant.
    """
    folder = config.absolute().parent.resolve()
    try:
        with open_configured(config) as file:
            octets = file.read(MAX_CONFIG)
    except (OSError, ValueError):
        octets = b""
    named = [(found[1], os.fsdecode(found[2])) for found in _NAMED.finditer(octets)][:MAX_NAMED]
    places = [Path(text) if key == b"admin_socket" else Path(text, SOCKET) for key, text in named]
    for place in dict.fromkeys([*places, Path(DEFAULT_STATE, SOCKET), Path(SERVICE_STATE, SOCKET)]):
        if is_socket(found := folder / place):
            yield found


def state_folder(config: Path) -> Path:
    """Return the state folder that a config names; raises ConfigError if it cannot be read."""
    if (folder := _state_at_a_glance(config)) is not None:
        return folder
    from blockd.settings import load  # which takes long

    return load(config).state_dir


def _state_at_a_glance(config: Path) -> Path | None:
    try:
        octets = read_configured(config, MAX_CONFIG)
    except (OSError, ValueError):  # or a path with a null character
        return None
    if b"admin_socket" in octets or b"\r" in octets or b"\t" in octets:
        return None
    tops = [top.start() for top in _TOP.finditer(octets)]
    if not tops or any(not _KEY.match(octets, top) for top in tops):
        return None  # a document, a list, a key in quotes: anything but keys at the beginning of lines
    found = list(_STATE.finditer(octets))
    text = DEFAULT_STATE
    if len(found) > 1:
        return None
    if found:
        plain = _PLAIN.fullmatch(found[0][1])
        rest = octets[found[0].end() :].lstrip(b"\n")
        if plain is None or rest[:1] == b" ":  # a value that goes on in the next line
            return None
        text = plain[1].decode("ascii")
        if text.lower() in _WORDS:
            return None
    folder, parts = config.absolute().parent.resolve(), Path(text).parts
    while parts and parts[0] == "..":
        folder, parts = folder.parent, parts[1:]
    return Path(folder, *parts)
