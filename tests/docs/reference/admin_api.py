"""docs/reference/admin-api.md: every route of the admin port, from the application itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from blockd.errors import CommandError
from blockd.web.admin import MAX_BODY, Control, admin_app
from blockd.web.bearer import Bearer
from tests.docs.reference.markdown import document, sentence, table

_NONE = "none"
_INDEX = "The list of these paths, for a browser"
# What a query may hold; the application reads it, and documents it nowhere.
_QUERIES = {
    "/api/cache": "`name`, a name",
    "/api/orders/{order}": "none; a slash in the path may be written as `%2F`. 200 if one order fits, 300 if several, "
    "404 if none",
    "/api/lookup": "`name`, a name, an address or a network; `trace`, if lines of lists and versions are wanted, "
    "`trace=quick` without the lines; `resolve`, to ask a worker where the name leads; `client`, the address of a "
    "client; `at`, a time; `state_dir`, the state folder that the answer must be about",
}


class _Refusing:
    """A daemon that does nothing, so that only the application's own messages are returned."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object) -> object:
            raise CommandError(_NONE)

        return refuse


def page() -> str:
    """Return the page."""
    return document(
        "Admin API",
        "The admin port (`listen.admin`, by default `127.0.0.1:9053`) answers HTTP. Whoever reaches it may ask the "
        "questions below; what changes something needs a secret. It has no TLS: keep it on loopback, or behind a "
        "proxy.",
        """
* A request must call the port by an address, by `localhost`, or by the host name in `listen.admin`; else it gets 403.
  So does one whose `Origin` is another.
* A request that changes something is a POST with `Content-Type: application/json`; else it gets 415.
* It needs the header `Authorization: Bearer SECRET` (RFC 6750); without it, or with another secret, it gets 401, and
  nothing is changed.
* Answers are JSON, but `/` (HTML) and `/metrics` (the Prometheus text format). An error is `{"error": "one sentence"}`,
  with 400 if the request cannot be done. Nothing has changed then.
"""
        f"* A body has at most {MAX_BODY:,} octets; else it gets 413.",
        """
The secret is in the file `admin.secret` of the [state folder](config.md#keys), which blockd makes at its first start
and keeps. Root and the group of blockd's user may read it; the verbs of `blockd` read it by themselves:

```text
curl -H "Authorization: Bearer $(cat /var/lib/blockd/admin.secret)" -H "Content-Type: application/json" \\
  -d '{"feeds": ["national"]}' http://127.0.0.1:9053/api/refresh
```

To replace it, remove the file and restart blockd. Refused requests are counted in `blockd_admin_refused_total`.
""".strip("\n"),
        "## Questions",
        table(("route", "what it answers", "query"), asyncio.run(_routes("GET"))),
        "`/healthz` and `/readyz` answer 200 if all is well, and 503 with the reason if not. As JSON that is "
        '`{"ok": true, "reason": "…"}`, if the request accepts JSON; else a line of text.',
        "Any request may be answered with 503 and `Retry-After` if too many wait; nothing was done then.",
        "## Commands",
        table(("route", "what it does", "body"), asyncio.run(_routes("POST"))),
        "`/api/hint` answers 202: the content of the hint is not trusted, the feed is polled soon.",
    )


async def _routes(method: str) -> list[tuple[str, str, str]]:
    app = admin_app(cast(Control, _Refusing()), Bearer(_NONE))
    headers = {"Authorization": f"Bearer {_NONE}"}
    async with TestClient(TestServer(app), headers=headers) as client:
        return [
            (
                f"`{method} {path}`",
                sentence(_about(route.handler.__name__)),
                _QUERIES.get(path, "") if method == "GET" else await _body(client, path),
            )
            for route in app.router.routes()
            if route.method == method and (path := _path(route))
        ]


def _path(route: web.AbstractRoute) -> str:
    assert route.resource is not None
    return route.resource.canonical


def _about(handler: str) -> str:
    """Return the summary of the daemon's method behind a handler."""
    if handler == "index":
        return _INDEX
    about = (getattr(Control, handler).__doc__ or "").partition(";")[0].removeprefix("Return ")
    return about[:1].upper() + about[1:]


async def _body(client: TestClient[web.Request, web.Application], path: str) -> str:
    """Return the body that the application asks for if it is sent one that no route accepts."""
    async with client.post(path, json=[]) as response:
        asked: str = json.loads(await response.text())["error"]
    if asked == _NONE:
        return _NONE
    return asked.removeprefix("The body must be ").partition("; nothing was changed")[0].rstrip(".")
