"""What an upstream did whose answer is not taken, as it is told behind the upstream's name, by both engines."""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage

MALFORMED = "sent a malformed answer"
LOOP = "sent an answer whose CNAME records are a loop"
NOT_OF_DNAME = "sent an answer whose CNAME record is not the one that its DNAME record makes"
OTHER_CLASS = "sent an answer with a record that is not of class IN"
TOO_LARGE = "sent an answer whose records are too long without those that do not belong to it"


class RefusedAnswer(BadMessage):
    """An answer is not taken though it may be well-formed; `told` is what the upstream did."""

    def __init__(self, told: str) -> None:
        self.told = told
        super().__init__(types.SERVFAIL, f"an upstream {told}")


def refusal_text(bad: BadMessage) -> str:
    """Return what an upstream did whose answer `parse` refused."""
    return bad.told if isinstance(bad, RefusedAnswer) else MALFORMED
