"""The secrets of server cookies: those of a file that several servers share, or a new one for this daemon alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from blockd.resolver.edge.cookie_sizes import SECRET
from blockd.resolver.edge.secret_file import SecretFile

FILE = SecretFile("clients.cookie_secrets", SECRET, "forge cookies")


def cookie_secrets(path: Path | None, randomness: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """Return the secrets of a file, of SECRET octets each, the first of which signs; without a file, a new one.

    A file that cannot be used counts as none: `problems_of` says why, and a start is refused.
    """
    return FILE.secrets(path) or (randomness(SECRET),)


def problems_of(path: Path) -> Iterator[str]:
    """Yield a sentence if the file of `clients.cookie_secrets` cannot be used."""
    return FILE.problems_of(path)
