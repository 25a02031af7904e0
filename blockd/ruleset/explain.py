"""What is to be said about a name: the verdict, the order behind it, and every other claim, as plain values."""

from __future__ import annotations

from blockd.names import DomainName, key_from_text
from blockd.orders import Reason, Verdict, state_at
from blockd.orders.document import order_to_json, time_text
from blockd.ruleset.policy import Enforced


def explain(enforced: Enforced | None, text: str, now: float) -> dict[str, object]:
    """Explain the verdict for a name written as text; raises BadName where it is none."""
    key = key_from_text(text)
    verdict = enforced.verdict(key) if enforced else Verdict(Reason.NOT_READY)
    told: dict[str, object] = {
        "name": DomainName(key).text,
        "verdict": _word(verdict),
        "why": str(verdict.reason),
        **_claim(verdict, now),
    }
    if enforced is not None:
        header = enforced.ruleset.header
        told["version"] = enforced.version
        told["compiled"] = time_text(header.created)
        told["claims"] = [_claim(claim, now) for claim in enforced.covering(key)]
    return told


def _word(verdict: Verdict) -> str:
    """The verdict in one word: the action where there is one, else what happens to the question."""
    return str(verdict.action) if verdict.action else "resolved"


def _claim(verdict: Verdict, now: float) -> dict[str, object]:
    order, entry = verdict.order, verdict.entry
    if order is None or entry is None:
        return {}
    return {
        "entry": entry.text,
        "scope": entry.scope.text,
        "feed": verdict.feed,
        "state": state_at(order, now).text,
        "since": time_text(order.in_force_from),
        "until": time_text(order.expires) if order.expires is not None else None,
        "order": order_to_json(order),
    }
