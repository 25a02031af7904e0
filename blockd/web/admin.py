"""The admin port: health, metrics, status, lookup, refresh and rollback, for programs and for an operator's browser.

A browser on the operator's machine also shows pages that others wrote. Therefore the Host header must be an address,
`localhost` or a name from the config (which excludes DNS rebinding), and every request that changes something must be
sent as JSON (which pages of other sites may not send unless allowed, and they are not). Who calls is found out by
`blockd.web.callers.recognition`, and each route of `blockd.web.api.table` needs a role.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterable
from functools import partial

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from blockd.errors import BadName
from blockd.web.api.control import Condition, Control
from blockd.web.api.dispatch import serve_routes
from blockd.web.api.replies import complete, problem
from blockd.web.api.route import FORM, MAX_BODY, STILL_ALLOWED, Cost, Opened, StillAllowed
from blockd.web.api.routes.probes import PROBES
from blockd.web.api.routes.signing_in import LOGIN, SignInRefused
from blockd.web.api.table import ROUTES, route_of
from blockd.web.bounds.costly import CostlyTurns, TooManyRequests, few, in_turn
from blockd.web.bounds.paces import BURST_OF_COMMANDS, COMMANDS_PER_SECOND, Paces
from blockd.web.callers.caller import CALLER, AccessRole
from blockd.web.callers.permission import AccessRefusal, refusal
from blockd.web.callers.recognition import CALLERS, Callers, is_from_loopback, key_of
from blockd.web.console.sign_in import SIGN_IN_POLICY, sign_in_page
from blockd.web.host import without_port

__all__ = ["MAX_BODY", "Condition", "Control", "admin_app"]

_TOO_MANY = "Too many requests of this kind are waiting. Ask again in a second."

_log = logging.getLogger(__name__)


def admin_app(control: Control, callers: Callers, hosts: Iterable[str] = ()) -> web.Application:
    """Return the application; `hosts` are the names that a Host header may have besides addresses and `localhost`.

    `callers` tells who makes a request, which handlers find as `request[CALLER]`.
    """
    guard = _guard(callers, frozenset(host.lower() for host in hosts))

    def by(request: web.Request) -> bytes:
        return key_of(request, request[CALLER])

    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY)
    app.on_response_prepare.append(_complete)
    app[CALLERS] = callers
    limits = {
        Cost.COMPUTES: in_turn(CostlyTurns(time.monotonic), by),
        Cost.ASKS_WORKERS: lambda handler: few(handler, by),
    }
    serve_routes(app, ROUTES, control, limits)
    return app


def _guard(callers: Callers, hosts: frozenset[str]) -> Middleware:
    paces = Paces(time.monotonic)
    commands = Paces(time.monotonic, COMMANDS_PER_SECOND, BURST_OF_COMMANDS)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        caller, wrong = await callers.of(request)
        request[CALLER] = caller
        request[STILL_ALLOWED] = StillAllowed(partial(_may_still, request, callers))
        pace = commands if request.method == hdrs.METH_POST and caller.may_write else paces
        if not await pace.keep(caller.name, lambda: request.transport is None):
            response = _error(503, _TOO_MANY)  # which nobody reads
        elif request.path not in _BY_ANY_NAME and not _is_called_right(request, hosts):
            response = _error(403, _CALLED_WRONG)
        elif (refused := refusal(caller, _needed(request, callers))) is None:
            response = await _guarded(request, handler)
        else:
            callers.attempts.refused()
            response = _refused(request, wrong or refused, has_tokens=callers.has_console)
            response.force_close()  # without having read its body
        return response

    return guard


async def _complete(_request: web.Request, response: web.StreamResponse) -> None:
    complete(response)


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request; every error is answered as problem details with one sentence."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else None
        return _error(error.status, _SENTENCES.get(error.status, f"{error.reason}."), headers, request)
    except SignInRefused as error:
        return _refused(request, error.refusal, has_tokens=True)
    except TooManyRequests:
        return _error(503, _TOO_MANY, {"Retry-After": "1"}, request)
    except Exception:
        _log.exception("The admin port failed to answer %s %s.", request.method, request.path)
        return _error(500, "blockd failed to answer; see its log. What is enforced has not changed.", None, request)


def _refused(request: web.Request, refused: AccessRefusal, *, has_tokens: bool) -> web.Response:
    """Return why a request is not answered; whoever opens the console, or signs in by its form, is shown where to."""
    if _is_by_browser(request):
        is_told = request.path == LOGIN or hdrs.AUTHORIZATION in request.headers
        page = sign_in_page(refused.sentence if is_told else "", has_tokens=has_tokens)
        response = web.Response(status=refused.status, body=page, content_type="text/html", charset="utf-8")
        response.headers.update({**refused.headers, "Content-Security-Policy": SIGN_IN_POLICY})
        return response
    return _error(refused.status, refused.sentence, dict(refused.headers), request)


def _is_by_browser(request: web.Request) -> bool:
    """Return whether a person asks for the console's page, or has sent the form that signs in to it."""
    if "text/html" not in request.headers.get(hdrs.ACCEPT, ""):  # which no program names
        return False
    is_read = request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and request.path == "/"
    return is_read or (request.path == LOGIN and request.content_type == FORM)


def _error(
    status: int, sentence: str, headers: dict[str, str] | None = None, request: web.Request | None = None
) -> web.Response:
    return problem(status, sentence, headers, request.rel_url.raw_path if request else "")


async def _may_still(request: web.Request, callers: Callers) -> bool:
    """Return whether who made a request would still be served."""
    caller, _ = await callers.of(request)
    return refusal(caller, _needed(request, callers)) is None


def _needed(request: web.Request, callers: Callers) -> AccessRole:
    """Return the role that a request needs; whether a path is served is told to those who are known alone."""
    route = route_of(request)
    if route is None:
        return AccessRole.METRICS
    is_open = (route.opened is Opened.WITHOUT_TOKENS and not callers.knows(route.role)) or (
        route.opened is Opened.TO_LOOPBACK and is_from_loopback(request)
    )
    return AccessRole.NONE if is_open else route.role


_BY_ANY_NAME = frozenset(route.path for route in PROBES)  # scrapers and balancers call them as they like
_CALLED_WRONG = (
    "The Host header must be an address, localhost, or one of the names in listen.admin_names; Origin must match it."
)

_SENTENCES = {
    404: "This path does not exist; /api/v1/openapi.json lists those that do.",
    405: "This path requires another method.",
}


def _is_called_right(request: web.Request, hosts: frozenset[str]) -> bool:
    """Return whether the Host header is one that no foreign page can have, and matches the Origin, if there is one."""
    called = request.headers.getall(hdrs.HOST, [])
    if len(called) != 1:
        return False
    origins = [origin.lower() for origin in request.headers.getall(hdrs.ORIGIN, [])]
    if origins and origins not in ([f"http://{called[0].lower()}"], [f"https://{called[0].lower()}"]):
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
