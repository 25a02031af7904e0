"""What the console shows, from `blockd.web.figures`."""

from __future__ import annotations

from typing import Any

from blockd.web.api import queries, shapes
from blockd.web.api.asked import Nothing
from blockd.web.api.control import Control, JsonResult
from blockd.web.api.route import ApiRoute, Cost, Request
from blockd.web.api.routes.questions import question
from blockd.web.figures.blocks import RecentBlocks
from blockd.web.figures.duty import DutyClock
from blockd.web.figures.hits import HitTable
from blockd.web.figures.overview import Overview
from blockd.web.figures.resolver import ResolverHealth
from blockd.web.figures.series import SERIES_NAMES, RateSeries
from blockd.web.figures.timeline import Timeline


async def _timeline(control: Control, request: Request[queries.TimeSpan]) -> JsonResult:
    return await control.figures.timeline(request.asked.since, request.asked.until)


async def _series(control: Control, request: Request[queries.SeriesShown]) -> JsonResult:
    asked = request.asked
    names = tuple(dict.fromkeys(asked.names or SERIES_NAMES))
    return await control.figures.series(names, asked.since, asked.until, asked.points)


async def _hits(control: Control, request: Request[queries.HitsShown]) -> JsonResult:
    return await control.figures.hits(request.asked.span, request.asked.by)


FIGURES: tuple[ApiRoute[Any], ...] = (
    question(
        "/overview", "The state in one sentence, with the next step.",
        Nothing, lambda control, _: control.figures.overview(), Overview, cost=Cost.COMPUTES,
    ),
    question(
        "/blocks/recent", "The newest blocks, without clients.",
        Nothing, lambda control, _: control.figures.blocks(), RecentBlocks, cost=Cost.COMPUTES,
    ),
    question(
        "/timeline", "What has changed, and who or what has changed it.",
        queries.TimeSpan, _timeline, Timeline, cost=Cost.COMPUTES,
    ),
    question(
        "/series", "Rates over time.",
        queries.SeriesShown, _series, RateSeries, cost=Cost.COMPUTES,
    ),
    question(
        "/duty", "How long orders took to be enforced and to be lifted.",
        Nothing, lambda control, _: control.figures.duty(), DutyClock, cost=Cost.COMPUTES,
    ),
    question(
        "/hits", "Hits by order or by authority, and the orders without one.",
        queries.HitsShown, _hits, HitTable, cost=Cost.COMPUTES,
    ),
    question(
        "/resolver", "How the resolver is: transports, answers, upstreams, names that fail.",
        Nothing, lambda control, _: control.figures.resolver(), ResolverHealth, cost=Cost.ASKS_WORKERS,
    ),
    question(
        "/ending", "What ends soon.",
        queries.EndingWithin, lambda control, request: control.figures.ending(request.asked.within),
        shapes.EndingAnswer, cost=Cost.COMPUTES,
    ),
)  # fmt: skip
