"""What a verification trusts: the roots that the config gives, and those given by hand."""

from __future__ import annotations

from pathlib import Path

from blockd.errors import AuditError, FileTooLarge
from blockd.files import read_file
from blockd.orders.repository import MAX_ROOT
from blockd.settings import Settings


def roots_of(settings: Settings) -> dict[str, list[bytes]]:
    """Return the root of trust of each signed feed of a config, those that can be read."""
    found: dict[str, list[bytes]] = {}
    for feed in settings.feeds:
        root = feed.root_of_trust
        if root is not None and root.is_file():
            found[feed.name] = [read(root, MAX_ROOT)]
    return found


def read(path: Path, most: int) -> bytes:
    """Read a file of at most so many octets; raises OSError, and AuditError if it is larger."""
    try:
        return read_file(path, most)
    except FileTooLarge as error:
        raise AuditError(f"{path} is larger than {most} octets, which is too large for such a file.") from error
