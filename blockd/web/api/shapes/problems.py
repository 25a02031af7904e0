"""Shapes of errors and conditions, and of who asks."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Problem(TypedDict):
    """An error (RFC 9457): `detail` is a sentence, which `error` repeats for programs that know no problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: NotRequired[str]
    error: str


class Holds(TypedDict):
    """Whether a condition holds, and the reason in one sentence."""

    ok: bool
    reason: str


class WhoAmIAnswer(TypedDict):
    """Who asks: the name that the audit log has, the role, and how that is known."""

    name: str
    role: Literal["none", "metrics", "read", "operator"]
    how: Literal["nobody", "socket", "token", "certificate", "session"]
    may_write: bool


class SignedOutAnswer(TypedDict):
    """Nobody is signed in by the cookie any more."""
