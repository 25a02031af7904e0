"""What is kept and in force: feeds, versions, overrides, orders, what waits for an operator's word; and who asks."""

from __future__ import annotations

from typing import Any

from blockd.web.api import queries, shapes
from blockd.web.api.asked import Nothing
from blockd.web.api.control import Control, JsonResult
from blockd.web.api.replies import json_reply
from blockd.web.api.route import ApiRoute, Cost, Request
from blockd.web.api.routes.questions import question


def _order_page(control: Control, request: Request[queries.OrdersShown]) -> JsonResult:
    asked = request.asked
    return control.order_page(asked.start, asked.limit, asked.feed, asked.authority, asked.state or "")


KEPT: tuple[ApiRoute[Any], ...] = (
    question(
        "/whoami", "Who asks, and what the caller may do.",
        Nothing, lambda _, request: json_reply(request.caller.to_json()), shapes.WhoAmIAnswer,
    ),
    question(
        "/feeds", "The feeds of the config, as the status has them.",
        Nothing, lambda control, _: control.feeds(), shapes.FeedsAnswer, cost=Cost.COMPUTES,
    ),
    question(
        "/versions", "The versions kept, the oldest first, in brief.",
        Nothing, lambda control, _: control.versions(), shapes.VersionsAnswer, cost=Cost.ASKS_WORKERS,
    ),
    question(
        "/version", "All that is known of a version kept, with what each feed contributed.",
        queries.OneVersion, lambda control, request: control.version(request.asked.version), shapes.VersionAnswer,
        cost=Cost.ASKS_WORKERS,
    ),
    question(
        "/diff", "What changes from one version kept to another.",
        queries.TwoVersions, lambda control, request: control.diff(request.asked.old, request.asked.new),
        shapes.DiffAnswer, cost=Cost.ASKS_WORKERS,
    ),
    question(
        "/overrides", "The local overrides, with those that have ended lately.",
        Nothing, lambda control, _: control.overrides(), shapes.OverridesAnswer, cost=Cost.COMPUTES,
    ),
    question(
        "/held", "What waits for an operator's word: entries held back, releases, contents refused.",
        queries.WaitingOf, lambda control, request: control.waiting(request.asked.feed), shapes.WaitingAnswer,
        cost=Cost.ASKS_WORKERS,
    ),
    question(
        "/accept", "What accepting a feed's refused content would change: it is compiled, which may take a minute.",
        queries.RefusedOf, lambda control, request: control.acceptable(request.asked.feed), shapes.AcceptPreviewAnswer,
        cost=Cost.ASKS_WORKERS,
    ),
    question(
        "/orders", "Orders of what is enforced, in pages.",
        queries.OrdersShown, _order_page, shapes.OrderPageAnswer, cost=Cost.COMPUTES,
    ),
)  # fmt: skip
