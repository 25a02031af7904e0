"""The index page of the admin port: the paths that it serves, with links."""

from __future__ import annotations

import base64
import hashlib

from blockd import __version__
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

_PATHS = (
    ("/healthz", "Health of the daemon: 200 if healthy, else 503."),
    ("/readyz", "Readiness: 200 if every worker enforces the current ruleset, else 503."),
    ("/metrics", "All metrics, in the Prometheus format."),
    ("/api/status", "Feeds, versions, ages, workers and engine, as JSON."),
    ("/api/lookup?name=example.org", "What happens to a name or an address, and why, as JSON."),
    ("/api/cache?name=example.org", "What every worker has cached of a name, as JSON."),
    ("/api/orders/ID", "Which orders have an id, or are called ROLE/ID or FEED/ROLE/ID, and how they stand, as JSON."),
    ("/api/traffic", "The sketch of recent traffic, which holds no client, as JSON."),
)

# All of them need Content-Type: application/json, and the secret (`blockd.web.bearer`).
_CHANGES = (
    ("/api/refresh", 'Fetch now; {"feeds": ["name"]} for some feeds only.'),
    ("/api/hint", 'Poll signed feeds soon, without waiting for a result; {"feed": "name"} for one feed.'),
    ("/api/rollback", 'Return to a kept version: {"version": 3, "reason": "why"}; {"release": true} releases it.'),
    (
        "/api/override",
        (
            'Let a name resolve: {"add": {"name": "example.org", "reason": "why", "until": "2026-12-31"}}; '
            '{"end": {"name": "example.org", "reason": "why"}} ends that.'
        ),
    ),
    ("/api/accept", 'Take what the gate refused, once: {"feed": "name", "digest": "…", "reason": "why"}.'),
    (
        "/api/held",
        (
            'Let an entry through that the gate holds back: {"release": {"name": "co.id", "reason": "why"}}; '
            '{"hold": {"name": "co.id", "reason": "why"}} ends that.'
        ),
    ),
    (
        "/api/cache/flush",
        'Remove what is cached: {"name": "example.org"}, {"below": "example.org"} or {"all": true}.',
    ),
    ("/api/statement", "Sign a statement of what is enforced now."),
)


def _index() -> str:
    rows = [
        join(element("dt", element("a", element("code", path), href=path)), element("dd", what))
        for path, what in _PATHS
    ]
    rows += [join(element("dt", element("code", f"POST {path}")), element("dd", what)) for path, what in _CHANGES]
    form = element(
        "form",
        element("label", "Name or address: ", Html('<input name="name" required maxlength="1024">')),
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
    note = element(
        "p", "What is sent by POST is JSON, with Content-Type: application/json and Authorization: Bearer SECRET."
    )
    body = element("body", element("h1", f"blockd {__version__}"), form, element("dl", *rows), note)
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en")


INDEX = _index()
