"""The routes of the admin port. Requests are served from this table, and its documents are made from it."""

from __future__ import annotations

import functools
from typing import Any

from aiohttp import web

from blockd.web.api.asked import Nothing
from blockd.web.api.control import Control
from blockd.web.api.openapi import openapi
from blockd.web.api.replies import json_octets
from blockd.web.api.route import ApiRoute, Cost, Request
from blockd.web.api.routes.commands import COMMANDS
from blockd.web.api.routes.figures import FIGURES
from blockd.web.api.routes.kept import KEPT
from blockd.web.api.routes.live import LIVE
from blockd.web.api.routes.probes import PROBES
from blockd.web.api.routes.questions import QUESTIONS, question
from blockd.web.api.routes.signing_in import SIGNING_IN
from blockd.web.console.routes import CONSOLE


@functools.cache
def _document() -> bytes:
    return json_octets(openapi(ROUTES))


def _openapi(_control: Control, _request: Request[Nothing]) -> web.Response:
    return web.Response(body=_document(), content_type="application/json")


ROUTES: tuple[ApiRoute[Any], ...] = (
    *CONSOLE,
    *SIGNING_IN,
    *PROBES,
    question(
        "/openapi.json", "What this API is, as OpenAPI 3.1.", Nothing, _openapi, dict[str, object], cost=Cost.COMPUTES
    ),
    *QUESTIONS,
    *KEPT,
    *FIGURES,
    *LIVE,
    *COMMANDS,
)  # fmt: skip

_BY_PLACE: dict[tuple[str, str], ApiRoute[Any]] = {
    (route.method, path): route for route in ROUTES for path in route.paths
}


def route_of(request: web.Request) -> ApiRoute[Any] | None:
    """Return the route that a request leads to, None if to none; HEAD and OPTIONS are about what is there."""
    resource = request.match_info.route.resource
    if resource is None:
        return None
    methods = ("GET", "POST") if request.method in ("HEAD", "OPTIONS") else (request.method,)
    return next((found for method in methods if (found := _BY_PLACE.get((method, resource.canonical)))), None)
