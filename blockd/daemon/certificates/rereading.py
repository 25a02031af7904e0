"""Whether the files of certificates can be read again once blockd is the user of `user`, as renewing needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from blockd.daemon.rights.account import Account, acting_as
from blockd.errors import CommandError
from blockd.settings import Settings


def never_again(settings: Settings) -> list[str]:
    """Return a sentence for each file that is read at the start and never again; none if this process cannot know."""
    try:
        account = Account.of(settings.user) if settings.user else None
    except KeyError:
        return []  # a start is refused for that
    if account is None:
        return []
    try:
        with acting_as(account):
            return list(_closed(settings, account.name))
    except CommandError:
        return []  # this process may not become that user


def _closed(settings: Settings, user: str) -> Iterator[str]:
    for certificate in settings.certificates:
        for path in (certificate.chain, certificate.key):
            try:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
            except PermissionError:
                yield (
                    f"{path} is read at the start and never again, since the user {user} may not read it: a renewed "
                    "certificate is not taken. Give the file and the folders above to that user's group."
                )
            except OSError:
                continue  # a start is refused for that
