"""The admin port's own page: what there is to ask, with links."""

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
    ("/healthz", "Whether the daemon runs as it should: 200 or 503."),
    ("/readyz", "Whether a list is enforced: 200 or 503."),
    ("/metrics", "Every series, for Prometheus."),
    ("/api/status", "Feeds, versions, age, workers and engine, as JSON."),
    ("/api/lookup?name=example.org", "The verdict for a name, and why, as JSON."),
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
            element("dd", 'Say that signed feeds have news, and wait for nothing; {"feed": "name"} for one feed.'),
        )
    )
    rows.append(
        join(
            element("dt", element("code", "POST /api/rollback")),
            element("dd", 'Go back to a version: {"version": 3, "reason": "why"}; {"release": true} ends that.'),
        )
    )
    form = element(
        "form",
        element("label", "Look a name up: ", Html('<input name="name" required maxlength="1024">')),
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
