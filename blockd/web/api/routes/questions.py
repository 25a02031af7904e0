"""What is asked of the daemon, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from blockd.errors import BadName, CommandError
from blockd.formats.subject import not_a_subject
from blockd.web.api import queries, shapes
from blockd.web.api.asked import Nothing
from blockd.web.api.control import Control, JsonResult
from blockd.web.api.route import VERSION, ApiRoute, Cost, Does, Opened, Reply, Request

_Asked = TypeVar("_Asked")


def question(
    path: str,
    summary: str,
    asks: type[_Asked],
    does: Does[_Asked],
    answers: Any,
    *,
    cost: Cost = Cost.LITTLE,
    alias: str = "",
    opened: Opened = Opened.TO_NOBODY,
    statuses: Mapping[int, str] | None = None,
) -> ApiRoute[_Asked]:
    """Return the route of a question at a path below the version."""
    return ApiRoute(
        method="GET", path=VERSION + path, summary=summary, asks=asks, does=does, answers=answers, cost=cost,
        aliases=(alias,) if alias else (), statuses=statuses or {}, opened=opened,
    )  # fmt: skip


async def _lookup(control: Control, request: Request[queries.NameToLookUp]) -> JsonResult:
    query = request.asked.query()
    try:
        return await control.lookup(query)
    except BadName as error:
        raise CommandError(f"{not_a_subject(query.name, error)}.") from error


def _orders(control: Control, request: Request[Nothing]) -> Reply:
    found = control.orders(request.path["order"])
    return Reply(found, found.status)


QUESTIONS: tuple[ApiRoute[Any], ...] = (
    question(
        "/status", "Feeds, versions, ages, workers and engine.",
        Nothing, lambda control, _: control.status(), shapes.StatusAnswer,
        cost=Cost.COMPUTES, alias="/api/status", opened=Opened.TO_LOOPBACK,
    ),
    question(
        "/reload", "How the newest reloads of the config stand, and how the last one has ended.",
        Nothing, lambda control, _: control.reloads(), shapes.ReloadsToldAnswer,
    ),
    question(
        "/upgrade", "How the newest upgrade stands.",
        Nothing, lambda control, _: control.upgrades(), shapes.UpgradesAnswer,
    ),
    question(
        "/lookup", "What happens to a name, an address or a network, and why.",
        queries.NameToLookUp, _lookup, shapes.LookupAnswer,
        cost=Cost.ASKS_WORKERS, alias="/api/lookup",
    ),
    question(
        "/traffic", "The sketch of recent traffic, which holds no client.",
        Nothing, lambda control, _: control.traffic(), shapes.TrafficAnswer,
        cost=Cost.COMPUTES, alias="/api/traffic",
    ),
    question(
        "/cache", "What every worker has cached of a name, and policy's verdict on it.",
        queries.CachedName, lambda control, request: control.cached(request.asked.name), shapes.CacheAnswer,
        cost=Cost.ASKS_WORKERS, alias="/api/cache",
    ),
    question(
        "/orders/{order}", "The orders that an id or another name of an order fits, and how each stands.",
        Nothing, _orders, shapes.OrdersAnswer,
        cost=Cost.COMPUTES, alias="/api/orders/{order}",
        statuses={300: "Several orders fit.", 404: "No order fits."},
    ),
)  # fmt: skip
