"""The admin port: health, metrics, status, lookup, refresh and rollback, for programs and for an operator's browser.

A browser on the operator's machine also shows pages that others wrote. Therefore the Host header must be an address,
`localhost` or a name from the config (which excludes DNS rebinding), and every request that changes something must be
sent as JSON (which pages of other sites may not send unless allowed, and they are not). Who calls is found out by
`blockd.web.callers.recognition`, and each path needs a role.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import time
import typing
from collections.abc import Iterable
from dataclasses import dataclass

import prometheus_client
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from blockd.errors import BadName, BlockdError
from blockd.formats.subject import not_a_subject
from blockd.ruleset.lookup_query import LookupQuery, lookup_query
from blockd.web.bodies import (
    acceptance_of,
    feeds_of,
    flush_of,
    held_change,
    hinted_feed,
    name_of,
    override_of,
    version_and_reason,
)
from blockd.web.bounds.costly import CostlyTurns, TooManyRequests, few, in_turn
from blockd.web.bounds.paces import Paces
from blockd.web.callers.caller import CALLER, Role
from blockd.web.callers.permission import refusal
from blockd.web.callers.recognition import Callers, is_from_loopback, key_of
from blockd.web.host import without_port
from blockd.web.index import INDEX, INDEX_POLICY
from blockd.web.negotiate import form_of

MAX_BODY = 64 * 1024  # octets of a request's body, more than the names of all feeds need
MAX_NAME = 1024  # characters of a name to override, and of the texts beside it

_TOO_MANY = "Too many requests of this kind are waiting. Ask again in a second."
_NOT_JSON = "A request that changes something must have the header Content-Type: application/json."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether the condition holds, and the reason in one sentence."""

    is_ok: bool
    reason: str


class JsonResult(typing.Protocol):
    """A result that can be sent as a JSON object."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""


class OrdersResult(JsonResult, typing.Protocol):
    """Orders that fit what was asked for."""

    @property
    def status(self) -> int:
        """The HTTP status: 200 for one order, 300 for several, 404 for none."""


class Control(typing.Protocol):
    """The daemon's functions behind the admin port."""

    def health(self) -> Condition:
        """Return whether the daemon is healthy."""

    def readiness(self) -> Condition:
        """Return whether a ruleset is enforced, so that this resolver may serve clients."""

    def metrics(self) -> bytes:
        """Return all metrics, in the format whose content type is `prometheus_client.CONTENT_TYPE_LATEST`."""

    def status(self) -> JsonResult:
        """Return feeds, versions, ages, workers and engine."""

    async def cached(self, name: str, /) -> JsonResult:
        """Return what every worker has cached of a name, and policy's verdict on it; raises CommandError."""

    async def flush(self, kind: str, name: str, /) -> JsonResult:
        """Remove what is cached of a name, of that and all below it, or all, from every worker; raises CommandError."""

    def orders(self, asked: str, /) -> OrdersResult:
        """Return the orders that an id or another name of an order fits, and how each stands; raises BlockdError."""

    async def refresh(self, names: list[str] | None, /) -> JsonResult:
        """Fetch the named feeds, or all; raises BlockdError if one is not configured."""

    def hint(self, name: str | None, /) -> JsonResult:
        """Poll a feed soon, or all signed ones; raises BlockdError if it is not configured."""

    def traffic(self) -> JsonResult:
        """Return the sketch of recent traffic, which holds no client (`blockd.metrics.Sketch`)."""

    async def rollback(self, version: int, reason: str, /) -> JsonResult:
        """Enforce and pin a kept version; raises BlockdError if that is not possible, and nothing has changed."""

    async def release(self, reason: str, /) -> JsonResult:
        """Release the pinned version and enforce the newest; raises BlockdError if none is pinned."""

    async def override(self, kind: str, asked: typing.Mapping[str, str], /) -> JsonResult:
        """Add or end a local override; `kind` is `add` or `end`, `asked` its texts; raises BlockdError."""

    async def accept(self, asked: typing.Mapping[str, str], /) -> JsonResult:
        """Take a feed's refused content, known by its digest, once; `asked` has the texts; raises BlockdError."""

    async def held(self, kind: str, asked: typing.Mapping[str, str], /) -> JsonResult:
        """Let an entry through, or hold it back again: `kind` is `release` or `hold`; raises BlockdError."""

    async def statement(self) -> JsonResult:
        """Sign a statement of what is enforced now; raises BlockdError if there is no key to sign it."""

    async def lookup(self, query: LookupQuery, /) -> JsonResult:
        """Return what happens to a name, an address or a network, and why; raises BadName and CommandError."""


def admin_app(control: Control, callers: Callers, hosts: Iterable[str] = ()) -> web.Application:
    """Return the application; `hosts` are the names that a Host header may have besides addresses and `localhost`.

    `callers` tells who makes a request, which handlers find as `request[CALLER]`.
    """
    guard = _guard(callers, frozenset(host.lower() for host in hosts))

    def by(request: web.Request) -> bytes:
        return key_of(request, request[CALLER])

    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY)
    costly = in_turn(CostlyTurns(time.monotonic), by)

    async def index(_request: web.Request) -> web.Response:
        response = web.Response(text=INDEX, content_type="text/html")
        response.headers["Content-Security-Policy"] = INDEX_POLICY
        return response

    async def health(request: web.Request) -> web.Response:
        return _condition(request, control.health())

    async def readiness(request: web.Request) -> web.Response:
        return _condition(request, control.readiness())

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=control.metrics(), headers={hdrs.CONTENT_TYPE: prometheus_client.CONTENT_TYPE_LATEST})

    async def status(_request: web.Request) -> web.Response:
        return _result(control.status())

    async def traffic(_request: web.Request) -> web.Response:
        return _result(control.traffic())

    async def lookup(request: web.Request) -> web.Response:
        query = lookup_query({field: request.query.getall(field) for field in request.query})
        try:
            return _result(await control.lookup(query))
        except BadName as error:
            return _error(400, f"{not_a_subject(query.name, error)}.")

    async def cached(request: web.Request) -> web.Response:
        return _result(await control.cached(name_of({field: request.query.getall(field) for field in request.query})))

    async def flush(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(await control.flush(*flush_of(await request.read())))

    async def orders(request: web.Request) -> web.Response:
        found = control.orders(request.match_info["order"])
        return _result(found, found.status)

    async def refresh(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(await control.refresh(feeds_of(await request.read())))

    async def hint(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(control.hint(hinted_feed(await request.read())), 202)

    async def rollback(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        version, reason = version_and_reason(await request.read())
        return _result(await control.release(reason) if version is None else await control.rollback(version, reason))

    async def override(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(await control.override(*override_of(await request.read())))

    async def held(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(await control.held(*held_change(await request.read())))

    async def accept(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(await control.accept(acceptance_of(await request.read())))

    async def statement(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _error(415, _NOT_JSON)
        return _result(await control.statement())

    app.router.add_get("/", index)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", readiness)
    app.router.add_get("/metrics", costly(metrics))
    app.router.add_get("/api/status", costly(status))
    app.router.add_get("/api/lookup", few(lookup, by))
    app.router.add_get("/api/traffic", costly(traffic))
    app.router.add_get("/api/cache", few(cached, by))
    app.router.add_get("/api/orders/{order:.+}", costly(orders))  # a slash may be escaped as %2F
    app.router.add_post("/api/refresh", refresh)
    app.router.add_post("/api/hint", hint)
    app.router.add_post("/api/rollback", rollback)
    app.router.add_post("/api/override", override)
    app.router.add_post("/api/accept", accept)
    app.router.add_post("/api/held", held)
    app.router.add_post("/api/cache/flush", flush)
    app.router.add_post("/api/statement", statement)
    return app


def _guard(callers: Callers, hosts: frozenset[str]) -> Middleware:
    paces = Paces(time.monotonic)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        caller, wrong = await callers.of(request)
        request[CALLER] = caller
        if not await paces.keep(caller.name, lambda: request.transport is None):
            response = _error(503, _TOO_MANY)  # which nobody reads
        elif request.path not in _BY_ANY_NAME and not _is_called_right(request, hosts):
            response = _error(403, "Host must be an address, localhost, or a name from the config; Origin must match.")
        elif (refused := refusal(caller, _needed(request))) is None:
            response = await _guarded(request, handler)
        else:
            callers.attempts.refused()
            refused = wrong or refused
            response = _error(refused.status, refused.sentence, dict(refused.headers))
            response.force_close()  # without having read its body
        response.headers.update(
            {
                hdrs.SERVER: "blockd",
                hdrs.CACHE_CONTROL: "no-store",
                "Content-Security-Policy": response.headers.get("Content-Security-Policy", "default-src 'none'"),
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            }
        )
        return response

    return guard


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request; every error is answered as JSON with one sentence."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else None
        return _error(error.status, _SENTENCES.get(error.status, f"{error.reason}."), headers)
    except TooManyRequests:
        return _error(503, _TOO_MANY, {"Retry-After": "1"})
    except BlockdError as error:
        return _error(400, str(error))
    except Exception:
        _log.exception("The admin port failed to answer %s %s.", request.method, request.path)
        return _error(500, "blockd failed to answer; see its log. What is enforced has not changed.")


def _needed(request: web.Request) -> Role:
    """Return the role that a request needs; what is not served tells nobody whether it is."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical
    if path == _STATUS and request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and is_from_loopback(request):
        return Role.NONE
    return _ROLES.get(path, Role.READ if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) else Role.OPERATOR)


_BY_ANY_NAME = ("/healthz", "/readyz", "/metrics")  # scrapers and balancers call them as they like
_STATUS = "/api/status"
_ROLES = {**dict.fromkeys(_BY_ANY_NAME, Role.NONE), _STATUS: Role.METRICS, "/api/hint": Role.METRICS, "": Role.METRICS}

_SENTENCES = {
    404: "This path does not exist; see / for the paths served.",
    405: "This path requires another method.",
    413: f"A body must have at most {MAX_BODY} octets.",
}


def _is_called_right(request: web.Request, hosts: frozenset[str]) -> bool:
    """Return whether the Host header is one that no foreign page can have, and matches the Origin, if there is one."""
    called = request.headers.getall(hdrs.HOST, [])
    if len(called) != 1:
        return False
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.lower() not in (f"http://{called[0].lower()}", f"https://{called[0].lower()}"):
        return False
    try:
        host = without_port(called[0]).lower().removesuffix(".")
    except BadName:
        return False
    if host == "localhost" or host in hosts:
        return True
    try:
        ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return False
    return True


def _condition(request: web.Request, condition: Condition) -> web.Response:
    status = 200 if condition.is_ok else 503
    if form_of(request.headers.get(hdrs.ACCEPT, "")) == "text/html":
        return web.Response(status=status, text=f"{'ok' if condition.is_ok else 'not ok'}: {condition.reason}\n")
    return _json({"ok": condition.is_ok, "reason": condition.reason}, status)


def _result(result: JsonResult, status: int = 200) -> web.Response:
    return _json(result.to_json(), status)


def _json(data: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    body = json.dumps(data, ensure_ascii=False, default=str)
    return web.Response(status=status, text=body + "\n", content_type="application/json", headers=headers)


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    return _json({"error": sentence}, status, headers)
