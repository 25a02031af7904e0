"""The secrets of session tickets: those of a file that several servers share, or a new one for this daemon alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from blockd.resolver.edge.secret_file import SecretFile
from blockd.tls.tickets import SECRET, ForgetfulKeys, SharedKeys, TicketKeys

FILE = SecretFile("tls.ticket_secrets", SECRET, "open session tickets")


def ticket_keys(path: Path | None, randomness: Callable[[int], bytes]) -> TicketKeys:
    """Return the keys of a file's secrets, the first of which makes tickets; without a file, keys of this daemon alone.

    A file that cannot be used counts as none: `problems_of` says why, and a start is refused.
    """
    secrets = FILE.secrets(path)
    return SharedKeys(secrets) if secrets else ForgetfulKeys(randomness(SECRET))


def problems_of(path: Path | None) -> Iterator[str]:
    """Yield a sentence if the file of `tls.ticket_secrets` cannot be used."""
    return FILE.problems_of(path)
