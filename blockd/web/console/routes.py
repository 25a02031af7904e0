"""The routes of the console: its page at `/`, and its files."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from blockd.web.api.asked import Nothing
from blockd.web.api.control import Control
from blockd.web.api.route import ApiRoute, Request
from blockd.web.console.assets import FOLDER, assets
from blockd.web.console.pages import CONSOLE_POLICY, console_page

FILES = FOLDER + "{path}"


def _page(_control: Control, _request: Request[Nothing]) -> web.Response:
    response = web.Response(body=console_page(), content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = CONSOLE_POLICY
    return response


def _file(_control: Control, request: Request[Nothing]) -> web.Response:
    return assets().answer(request.http, request.path["path"])


CONSOLE: tuple[ApiRoute[Any], ...] = (
    ApiRoute(method="GET", path="/", summary="The console, for a browser.", asks=None, does=_page, media="text/html"),
    ApiRoute(
        method="GET", path=FILES, summary="The console's files.", asks=None, does=_file,
        media="application/octet-stream",
    ),
)  # fmt: skip
