"""The secret that a request must carry to change something (RFC 6750), and how many did not have it.

It has 256 random bits, so that nobody finds it by trying. A wrong one costs its sender the connection, and nobody else
anything: a lock after some failures would be a way to lock the operator out.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable

SCHEME = "bearer"
CHALLENGE = 'Bearer realm="blockd"'
REFUSAL = (
    "A request that changes something must have the header Authorization: Bearer SECRET, with the secret in the file "
    "admin.secret of the state folder, which root and the group of blockd's user may read; nothing was changed."
)
LOG_EVERY = 60.0  # seconds between two lines about refusals

_log = logging.getLogger(__name__)


class Bearer:
    """The secret, and the count of refusals; nothing is allowed if the secret is empty."""

    def __init__(self, secret: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.refused = 0  # requests
        self._secret = secret.encode()
        self._monotonic = monotonic
        self._logged: float | None = None

    def allows(self, authorization: str | None) -> bool:
        """Return whether an Authorization header carries the secret; if not, it is counted as refused."""
        is_right = self.is_right(authorization)
        if not is_right:
            self.refused += 1
            self._note()
        return is_right

    def is_right(self, authorization: str | None) -> bool:
        """Return whether an Authorization header carries the secret; the time it takes tells nothing of that."""
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._secret) and bool(self._secret) and scheme.lower() == SCHEME

    def _note(self) -> None:
        now = self._monotonic()
        if self._logged is None or now - self._logged >= LOG_EVERY:
            self._logged = now
            _log.warning(
                "The admin port was asked for a change without the right secret, %d times since its start. Nothing "
                "was changed. Programs that use it read admin.secret in the state folder.",
                self.refused,
            )
