"""The first root of a repository: which keys may sign what, and how many signatures are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from securesystemslib.signer import Key
from tuf.api.metadata import Root

from blockd.orders.repository import TOP_ROLES
from blockd.publish.delegations import check_threshold

ROOT_LIFE = timedelta(days=3652)  # ten years: a new root reaches every daemon by itself, but only if it is made


@dataclass(frozen=True, slots=True)
class Founding:
    """The options of a new repository; for a role without keys one is made, encrypted with `password` if given."""

    root_keys: tuple[Key, ...] = ()
    root_threshold: int = 1
    targets_keys: tuple[Key, ...] = ()
    targets_threshold: int = 1
    password: bytes | None = None

    def roles_without_keys(self) -> tuple[str, ...]:
        """The roles whose keys are to be made."""
        given = {"root": self.root_keys, "targets": self.targets_keys}
        return tuple(role for role in TOP_ROLES if not given.get(role))

    def check(self) -> None:
        """Raise PublishError if nobody could sign."""
        check_threshold("root", self.root_threshold, len(self.root_keys) or 1)
        check_threshold("targets", self.targets_threshold, len(self.targets_keys) or 1)

    def root(self, made: Mapping[str, Key], expires: datetime) -> Root:
        """Return the root for the given keys and those `made`."""
        root = Root(expires=expires, consistent_snapshot=True)
        given = {"root": self.root_keys, "targets": self.targets_keys}
        for role in TOP_ROLES:
            for key in given.get(role) or (made[role],):
                root.add_key(key, role)
        root.roles["root"].threshold = self.root_threshold
        root.roles["targets"].threshold = self.targets_threshold
        return root
