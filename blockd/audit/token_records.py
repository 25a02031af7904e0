"""Records of tokens: which were made and removed, also while the daemon did not run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blockd.audit.database import Database
from blockd.audit.log import AuditLog

REMEMBERED = 1_000  # records of tokens that are read at a start; a token of an earlier one is recorded once more


class NamedRole(Protocol):
    """A role, see `blockd.web.callers.role.AccessRole`."""

    @property
    def text(self) -> str:
        """The role as people write it."""


class NamedToken(Protocol):
    """A token of the admin port, see `blockd.web.callers.tokens.AccessToken`."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def role(self) -> NamedRole:
        """What who sends it may do."""

    @property
    def sha256(self) -> str:
        """The digest of its text."""

    @property
    def by(self) -> str:
        """Who made it."""


class TokenRecords:
    """Writes to `log` what becomes of tokens."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._known: dict[str, dict[str, str]] = {}  # those that the log says are there, by the digests of their texts

    def remember(self, database: Database) -> None:
        """Take over what the log says."""
        for record in database.newest(("token",), REMEMBERED):
            told = {name: str(record.body[name]) for name in ("name", "role", "sha256")}
            self._known.pop(told["sha256"], None)
            if record.body["done"] == "made":
                self._known[told["sha256"]] = told

    def tokens_are(self, tokens: Sequence[NamedToken]) -> None:
        """Record how the tokens of now differ from those that the log has."""
        now = {token.sha256: token for token in tokens}
        for digest in [digest for digest in self._known if digest not in now]:
            self._log.write("token", {**self._known.pop(digest), "done": "removed"})
        for digest, token in now.items():
            if digest not in self._known:
                told = self._known[digest] = {"name": token.name, "role": token.role.text, "sha256": digest}
                self._log.write("token", {**told, "done": "made", **({"by": token.by} if token.by else {})})
