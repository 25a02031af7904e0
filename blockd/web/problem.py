"""The block page for programs: problem details (RFC 9457) with the same content as the page."""

from __future__ import annotations

import json
from dataclasses import replace

from blockd.orders import Reason, Verdict
from blockd.orders.disclosure import public_fields, public_text
from blockd.orders.incident import incident_url
from blockd.web.site import Site

LED = "the name leads to what an order in force covers"


def problem_json(
    site: Site,
    status: int,
    title: str,
    name: str,
    verdict: Verdict | None,
    *,
    is_blocked: bool,
    is_led: bool = False,
    is_followed: bool = False,
) -> bytes:
    """Return the problem as JSON; `title` is in the reader's language, the order's texts as its authority wrote them.

    `is_blocked` is whether it is about a blocked name, `is_led` whether it is blocked for what it leads to,
    `is_followed` whether it is known that nothing of that is. A confidential order is mentioned only if it is blocked.
    """
    problem: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if name:
        problem["name"] = name
    problem["blocked_by" if is_blocked else "operator"] = operator_json(site)
    if verdict is not None:
        problem["blocked"] = is_blocked
        if not is_blocked:
            problem["where_it_leads"] = "not blocked" if is_followed else "not checked"
        order = verdict.order if is_blocked or not (verdict.order and verdict.order.is_confidential) else None
        problem["detail"] = str(verdict.reason if order or verdict.order is None else Reason.NOT_LISTED)
        if is_led:
            problem["detail"] = LED
        if order:
            # Fields of a later schema are unknown here and are left out, since their content was not checked.
            problem["order"] = public_fields(replace(order, unknown={}))
        if order and (url := incident_url(site.incidents, verdict)):
            problem["incident"] = url
        if order and verdict.entry:
            problem["entry"] = {"name": public_text(verdict.entry), "scope": verdict.entry.scope.text}
        if verdict.stale and is_blocked:
            problem["stale"] = True
    return json.dumps(problem, ensure_ascii=True, indent=2).encode("ascii") + b"\n"


def operator_json(site: Site) -> dict[str, str]:
    """Return what is known of the operator."""
    known = {"name": site.operator, "url": site.url, "contact": site.contact}
    return {key: value for key, value in known.items() if value}
