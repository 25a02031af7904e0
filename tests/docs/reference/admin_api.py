"""docs/reference/admin-api.md: every route of the admin port, from the table that they are served from."""

from __future__ import annotations

import typing
from typing import Any

from blockd.web.admin import MAX_BODY
from blockd.web.admin_serving import BODY
from blockd.web.api.asked import examples_of, fields_of
from blockd.web.api.route import ApiRoute
from blockd.web.api.table import ROUTES
from blockd.web.callers.caller import AccessRole
from tests.docs.reference.markdown import document, sentence, table


def page() -> str:
    """Return the page."""
    return document(
        "Admin API",
        "The admin port (`listen.admin`, by default `127.0.0.1:9053`) answers HTTP. So does the admin "
        "socket, `admin.sock` in the [state folder](config.md#keys). Each path needs a role, which "
        "[who may use the admin port](../operator/admin-access.md) explains.",
        """
* A request must call the port by an address, by `localhost`, or by a name in `listen.admin_names`; else it gets 403,
  but for `/healthz`, `/readyz` and `/metrics`. So does one whose `Origin` is another.
* A request that changes something is a POST with `Content-Type: application/json`; else it gets 415.
* Who asks over TCP is known by the header `Authorization: Bearer TOKEN` (RFC 6750), by a certificate, or by the cookie
  of the console. Without, or with a token that is not known, a request gets 401, with too low a role 403, after too
  many wrong tokens 429. Nothing was done then.
* The paths below `/api/v1/` keep their meaning; what is added to an answer later is another key. `GET
  /api/v1/openapi.json` describes all of them to programs, as OpenAPI 3.1. The paths of earlier releases, without `v1`,
  lead to the same.
* Answers are JSON, but `/` (HTML) and `/metrics` (the Prometheus text format).
* An error is `application/problem+json` (RFC 9457): `status`, and in `detail` one sentence, which `error` repeats. 400
  says that the request is not what the path takes, 422 that it is understood and cannot be done (400 at the earlier
  paths). Nothing has changed then.
* What a question answers has an `ETag`; sent back as `If-None-Match` it is answered 304 while nothing has changed.
* A question takes the query below, a command the body, and nothing else: an unknown key, or one that is there twice,
  is refused.
"""
        f"* A body has at most {MAX_BODY:,} octets, or gets 413, and comes within {BODY:.0f} seconds, or gets 408.",
        """
```text
curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"feeds": ["national"]}' http://127.0.0.1:9053/api/v1/refresh
curl --unix-socket /var/lib/blockd/admin.sock http://localhost/api/v1/status
```

A browser signs in by `POST /login`, with `{"token": "blockd_…"}` or a form, and out by `POST /logout`. Refused requests
are counted in `blockd_admin_refused_total`.
""".strip("\n"),
        "## Questions",
        table(("path", "what it answers", "query", "role"), [_row(route) for route in ROUTES if route.method == "GET"]),
        "`/healthz` and `/readyz` answer 200 if all is well, and 503 with the reason if not. As JSON that is "
        '`{"ok": true, "reason": "…"}`, if the request accepts JSON; else a line of text.',
        "A slash in a part of a path may be written as `%2F`. `/api/v1/orders/{order}` answers 200 if one order fits, "
        "300 if several, 404 if none.",
        "Any request may be answered with 503 and `Retry-After` if too many wait; nothing was done then.",
        "## Commands",
        table(("path", "what it does", "body", "role"), [_row(route) for route in ROUTES if route.method == "POST"]),
        "`/api/v1/hint` answers 202: the content of the hint is not trusted, the feed is polled soon.",
    )


def _row(route: ApiRoute[Any]) -> tuple[str, str, str, str]:
    aliases = "".join(f", `{alias}`" for alias in route.aliases)
    role = "" if route.role is AccessRole.NONE else route.role.text
    return f"`{route.path}`{aliases}", sentence(route.summary.rstrip(".")), _asks(route), role


def _asks(route: ApiRoute[Any]) -> str:
    if route.asks is None:
        return ""
    if route.method == "POST":
        return " or ".join(f"`{example}`" for example in examples_of(route.asks)) or "none"
    return (
        "; ".join(f"`{field.name}`, {field.about.what}{_choices(field.kind)}" for field in fields_of(route.asks))
        or "none"
    )


def _choices(kind: Any) -> str:
    """Return what a field may be, if that is one of a few words."""
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is list else kind
    if typing.get_origin(inner) is not typing.Literal:
        return ""
    return f" ({', '.join(f'`{word}`' for word in typing.get_args(inner))})"
