"""What other programs watch: health, readiness and metrics. Their queries are not looked at."""

from __future__ import annotations

from typing import Any

import prometheus_client
from aiohttp import hdrs, web

from blockd.web.api.asked import Nothing
from blockd.web.api.control import Condition, Control
from blockd.web.api.replies import json_reply
from blockd.web.api.route import ApiRoute, Cost, Opened, Request
from blockd.web.api.shapes import Holds
from blockd.web.callers.caller import AccessRole
from blockd.web.negotiate import form_of

METRICS = prometheus_client.CONTENT_TYPE_LATEST
_FAILS = {503: "The condition does not hold."}


def _condition(request: Request[Nothing], condition: Condition) -> web.Response:
    status = 200 if condition.is_ok else 503
    if form_of(request.http.headers.get(hdrs.ACCEPT, "")) == "text/html":
        return web.Response(status=status, text=f"{'ok' if condition.is_ok else 'not ok'}: {condition.reason}\n")
    return json_reply({"ok": condition.is_ok, "reason": condition.reason}, status)


async def _metrics(control: Control, _request: Request[Nothing]) -> web.Response:
    return web.Response(body=await control.metrics(), headers={hdrs.CONTENT_TYPE: METRICS})


PROBES: tuple[ApiRoute[Any], ...] = (
    ApiRoute(
        method="GET", path="/healthz", role=AccessRole.NONE, summary="Whether the daemon is healthy.",
        asks=None, does=lambda control, request: _condition(request, control.health()),
        answers=Holds, also="text/plain", statuses=_FAILS,
    ),
    ApiRoute(
        method="GET", path="/readyz", role=AccessRole.NONE,
        summary="Whether a ruleset is enforced, so that this resolver may serve clients.",
        asks=None, does=lambda control, request: _condition(request, control.readiness()),
        answers=Holds, also="text/plain", statuses=_FAILS,
    ),
    ApiRoute(
        method="GET", path="/metrics", role=AccessRole.METRICS, opened=Opened.WITHOUT_TOKENS,
        summary="All metrics, in the Prometheus format.",
        asks=None, does=_metrics, media=METRICS, cost=Cost.COMPUTES,
    ),
)  # fmt: skip
