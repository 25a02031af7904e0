"""The index page of the admin port: the paths that it serves, with links."""

from __future__ import annotations

import base64
import hashlib

from blockd import __version__
from blockd.web.markup import Html, element, join

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-inline-size:44rem;"
    "margin:2rem auto;padding-inline:1rem}dt{margin-block-start:1rem}dd{margin:0}"
    "input,button{font:inherit;padding:.25rem .5rem}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

INDEX_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_PATHS = (
    ("/healthz", "Health of the daemon: 200 if healthy, else 503."),
    ("/readyz", "Readiness: 200 if a ruleset is enforced, else 503."),
    ("/metrics", "All metrics, in the Prometheus format."),
    ("/api/status", "Feeds, versions, ages, workers and engine, as JSON."),
    ("/api/lookup?name=example.org", "The verdict for a name and its reason, as JSON."),
)


def _index() -> str:
    rows = [
        join(element("dt", element("a", element("code", path), href=path)), element("dd", what))
        for path, what in _PATHS
    ]
    rows.append(
        join(
            element("dt", element("code", "POST /api/refresh")),
            element("dd", 'Fetch now, with Content-Type: application/json; {"feeds": ["name"]} for some feeds only.'),
        )
    )
    rows.append(
        join(
            element("dt", element("code", "POST /api/hint")),
            element("dd", 'Poll signed feeds soon, without waiting for a result; {"feed": "name"} for one feed.'),
        )
    )
    rows.append(
        join(
            element("dt", element("code", "POST /api/rollback")),
            element("dd", 'Return to a kept version: {"version": 3, "reason": "why"}; {"release": true} releases it.'),
        )
    )
    rows.append(
        join(
            element("dt", element("code", "POST /api/accept")),
            element("dd", 'Take what the gate refused, once: {"feed": "name", "digest": "…", "reason": "why"}.'),
        )
    )
    form = element(
        "form",
        element("label", "Domain name: ", Html('<input name="name" required maxlength="1024">')),
        Html(" "),
        element("button", "Look up"),
        action="/api/lookup",
        method="get",
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "blockd"),
        element("style", Html(_STYLE)),
    )
    body = element("body", element("h1", f"blockd {__version__}"), form, element("dl", *rows))
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en")


INDEX = _index()
