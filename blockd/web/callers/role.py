"""A caller, and the roles; without the HTTP server, which commands that make tokens need not load."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

How = Literal["nobody", "socket", "token", "certificate", "session"]


class AccessRole(IntEnum):
    """What a caller may do; each role may do what those before it may."""

    NONE = 0  # what needs no token
    METRICS = 1  # read series
    READ = 2  # read everything, as support does
    OPERATOR = 3  # change what is enforced

    @property
    def text(self) -> str:
        """The role as people write it: `metrics`, `read`, `operator`."""
        return self.name.lower()


def role_of(text: str) -> AccessRole:
    """Return a role by what people write."""
    return next(role for role in AccessRole if role.text == text)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: its role, how that is known, and the name under which the audit log has what it does."""

    name: str
    role: AccessRole
    how: How = "nobody"

    @property
    def may_write(self) -> bool:
        """Whether it may change what is enforced."""
        return self.role >= AccessRole.OPERATOR

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"name": self.name, "role": self.role.text, "how": self.how, "may_write": self.may_write}


NOBODY = Caller("", AccessRole.NONE)
