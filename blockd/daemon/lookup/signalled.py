"""What clients over encrypted transports get of a block that ask for it in a form that programs read."""

from __future__ import annotations

import json
from dataclasses import dataclass

from blockd.orders import Action, Verdict
from blockd.orders.disclosure import PublicOperator, codes
from blockd.orders.structured import StructuredReply, structured_text
from blockd.settings import Settings


@dataclass(frozen=True, slots=True)
class SignalledReply:
    """The answer of such clients; `action` is the order's, or what stands in the place of its sinkhole."""

    action: Action
    code: int  # of the Extended DNS Error
    text: str  # its text, a JSON object; empty if nothing fits

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"action": self.action, "code": self.code, "text": json.loads(self.text) if self.text else None}


@dataclass(frozen=True, slots=True)
class SignalledReplies:
    """The answers of such clients to all names."""

    operator: PublicOperator
    reply: StructuredReply

    @classmethod
    def of(cls, settings: Settings) -> SignalledReplies | None:
        """Return those of a config; None if nothing listens for such clients."""
        if not settings.listen.dot and not settings.listen.doh:
            return None
        return cls(settings.operator.disclosed, settings.structured_errors.reply)

    def to(self, verdict: Verdict) -> SignalledReply | None:
        """Return the answer by a verdict; None if it stops nothing, or is silence."""
        order, action = verdict.order, verdict.action
        if not verdict.stops or order is None or action is None or action is Action.DROP:
            return None
        text = structured_text(order, self.operator, self.reply.database, stale=verdict.stale)
        given = self.reply.answer if action is Action.SINKHOLE else action
        return SignalledReply(given, codes(order).extended_error, text)
