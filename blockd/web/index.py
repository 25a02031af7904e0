"""The index page of the admin port: the paths that it serves, with links."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from blockd import __version__
from blockd.web.api.asked import examples_of
from blockd.web.api.route import VERSION, ApiRoute
from blockd.web.console.routes import FILES
from blockd.web.markup import Html, element, join

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-inline-size:44rem;"
    "overflow-wrap:anywhere;margin:2rem auto;padding-inline:1rem}dt{margin-block-start:1rem}dd{margin:0}"
    "input,button{font:inherit;padding:.25rem .5rem}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

INDEX_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_EXAMPLES = {"lookup": "?name=example.org", "cache": "?name=example.org"}  # queries, by the end of the path


def index_page(routes: Sequence[ApiRoute[Any]]) -> str:
    """Return the page; questions are links, and commands are shown with what they ask for."""
    rows = [_row(route) for route in routes if route.path not in ("/api", FILES)]
    form = element(
        "form",
        element("label", "Name or address: ", Html('<input name="name" required maxlength="1024">')),
        Html(" "),
        element("button", "Look up"),
        action=f"{VERSION}/lookup",
        method="get",
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "blockd"),
        element("style", Html(_STYLE)),
    )
    note = element(
        "p", "What is sent by POST is JSON, with Content-Type: application/json and Authorization: Bearer SECRET."
    )
    body = element("body", element("h1", f"blockd {__version__}"), form, element("dl", *rows), note)
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en")


def _row(route: ApiRoute[Any]) -> Html:
    if route.method != "GET":
        examples = " or ".join(examples_of(route.asks)) if route.asks else ""
        what = f"{route.summary} {examples}" if examples else route.summary
        return join(element("dt", element("code", f"{route.method} {route.path}")), element("dd", what))
    path = route.path + _EXAMPLES.get(route.path.rpartition("/")[2], "")
    shown = element("code", path) if "{" in path else element("a", element("code", path), href=path)
    return join(element("dt", shown), element("dd", route.summary))
