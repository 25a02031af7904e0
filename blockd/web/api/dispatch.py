"""Serving the routes of the table: a request is read, done and answered the same way for all of them."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from blockd.errors import BlockdError
from blockd.web.admin_serving import BODY, body_of
from blockd.web.api.asked import Malformed, Nothing, alternatives_of, examples_of, fields_of, read, read_query
from blockd.web.api.conditions import NO_TAG, has_condition, is_excepted, is_for
from blockd.web.api.control import Control
from blockd.web.api.packing import packed
from blockd.web.api.replies import json_reply, octets_of, problem, tag_of, tagged
from blockd.web.api.route import FORM, JSON, VERSION, ApiRoute, Cost, Reply, Request
from blockd.web.callers.caller import CALLER
from blockd.web.negotiate import accepts

Limit = Callable[[Handler], Handler]
"""Returns a handler that waits for its turn."""

MAX_FIELDS = 8  # of a form
NOT_JSON = "A request that changes something must have the header Content-Type: application/json."
_ENCODED = "A body must be sent as it is, without a Content-Encoding."
_CODED = "A body must be sent as it is, or in chunks, and in no other Transfer-Encoding (RFC 9112 section 6.1)."
_LATE = f"The body did not come within {BODY:.0f} seconds; nothing was changed."
_PATTERN = ":(?s:.+)}"  # a part of a path may hold slashes, which may be escaped as %2F, and line feeds


def serve_routes(
    app: web.Application, routes: Sequence[ApiRoute[Any]], control: Control, limits: Mapping[Cost, Limit]
) -> None:
    """Have an application serve the routes, and answer OPTIONS for each path (RFC 9110 section 9.3.7)."""
    methods: dict[str, list[str]] = {}
    by_path = {route.path: route for route in routes if route.method == hdrs.METH_GET}
    resting = {route.rests_on: asyncio.Lock() for route in routes}
    for route in routes:
        for path in route.paths:
            rests = by_path.get(route.rests_on), resting[route.rests_on]
            plain = _Handler(route, control, *rests, is_old=path != route.path).handle
            handler = limits.get(route.cost, _at_once)(plain)
            pattern = path.replace("}", _PATTERN)
            if route.method == hdrs.METH_GET:
                app.router.add_get(pattern, handler)
            else:
                app.router.add_route(route.method, pattern, handler)
            methods.setdefault(pattern, []).append(route.method)
    for pattern, allowed in methods.items():
        app.router.add_route(hdrs.METH_OPTIONS, pattern, _options(allowed))


def _at_once(handler: Handler) -> Handler:
    return handler


def _options(methods: Sequence[str]) -> Handler:
    also = [hdrs.METH_HEAD] if hdrs.METH_GET in methods else []
    allow = ", ".join(sorted({*methods, *also, hdrs.METH_OPTIONS}))

    async def options(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={hdrs.ALLOW: allow})

    return options


class _Handler:
    """The handler of a route at one of its paths.

    `rests_on` is the question whose tag a change may name; those that do hold `resting` while they are made.
    """

    def __init__(
        self,
        route: ApiRoute[Any],
        control: Control,
        rests_on: ApiRoute[Any] | None,
        resting: asyncio.Lock,
        *,
        is_old: bool,
    ) -> None:
        self._route = route
        self._control = control
        self._rests_on = rests_on
        self._resting = resting
        self._is_old = is_old

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        route = self._route
        try:
            refused = self._refused(request)
            if refused is not None:
                return refused
            asked = await self._asked(request)
            reply = await self._done(asked, request)
        except Malformed as error:
            return self._problem(request, HTTPStatus.BAD_REQUEST, _malformed(route, error))
        except web.HTTPRequestEntityTooLarge:
            sentence = f"A body must have at most {route.most} octets."
            return self._problem(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
        except TimeoutError:
            late = self._problem(request, HTTPStatus.REQUEST_TIMEOUT, _LATE)
            late.force_close()
            return late
        except BlockdError as error:
            status = HTTPStatus.BAD_REQUEST if self._is_old else HTTPStatus.UNPROCESSABLE_ENTITY
            return self._problem(request, status, str(error))
        if not isinstance(reply, web.Response) or self._route.method != hdrs.METH_GET or self._is_old:
            return reply
        return await packed(request, tagged(request, reply) if self._is_tagged(reply) else reply)

    def _is_tagged(self, reply: web.Response) -> bool:
        """Return whether what a question was answered has an entity tag."""
        return self._route.path.startswith(VERSION) and reply.status == HTTPStatus.OK

    def _refused(self, request: web.Request) -> web.Response | None:
        """Return why a request is not taken, by its header alone; None if it is."""
        if self._route.method != hdrs.METH_GET:
            if request.content_type not in self._route.bodies:
                bodies = self._route.bodies
                sentence = NOT_JSON if bodies == (JSON,) else f"A body must be sent as {' or '.join(bodies)}."
                headers = {"Accept-Post": ", ".join(bodies)}
                return self._problem(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, sentence, headers)
            if any(coding != "chunked" for coding in _codings(request, hdrs.TRANSFER_ENCODING)):
                return self._problem(request, HTTPStatus.NOT_IMPLEMENTED, _CODED)
            if any(coding != "identity" for coding in _codings(request, hdrs.CONTENT_ENCODING)):
                headers = {"Accept-Encoding": "identity"}
                return self._problem(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _ENCODED, headers)
        media = self._route.media.partition(";")[0]
        if (
            not self._is_old
            and self._route.path.startswith(VERSION)
            and not accepts(request.headers.get(hdrs.ACCEPT, ""), media)
        ):
            sentence = f"What this path answers is {media}, which the request does not accept."
            return self._problem(request, HTTPStatus.NOT_ACCEPTABLE, sentence)
        return None

    async def _asked(self, request: web.Request) -> object:
        asks = self._route.asks
        if asks is None:
            return Nothing()
        query = {name: request.query.getall(name) for name in request.query}
        if self._route.method == hdrs.METH_GET:
            return read_query(asks, query)
        if query and not self._is_old:
            raise Malformed("the query: what a command asks for is in its body")
        body = await body_of(request)
        if len(body) > self._route.most:
            raise web.HTTPRequestEntityTooLarge(self._route.most, len(body))
        if request.content_type == FORM:
            return read(asks, _of_form(asks, body))
        return read(asks, _decoded(body, may_be_empty=self._is_old and not _is_needed(asks)))

    async def _done(self, asked: object, request: web.Request) -> web.StreamResponse:
        """Do what is asked for, unless the request names what is not so any more (RFC 9110 section 13).

        Of two changes that rest on the same the second is begun when the first is done, and so finds that out.
        """
        if self._route.method == hdrs.METH_GET or not has_condition(request):
            return await _done(self._route, self._control, _request(asked, request))
        async with self._resting:
            if failed := await self._failed(request):
                return self._problem(request, HTTPStatus.PRECONDITION_FAILED, f"{failed}; nothing was changed.")
            return await _done(self._route, self._control, _request(asked, request))

    async def _failed(self, request: web.Request) -> str:
        """Return why a change is not made for want of what it rests on; empty if all is as it was."""
        if self._rests_on is None:
            is_so = is_for(request, NO_TAG) and not is_excepted(request, NO_TAG)
            return "" if is_so else "This command rests on nothing that has an entity tag"
        all_of_it = read(self._rests_on.asks or Nothing, {})
        tag = tag_of(octets_of(await _done(self._rests_on, self._control, _request(all_of_it, request))))
        if not is_for(request, tag):
            return f"{self._rests_on.path} answers otherwise by now than when it was read"
        return f"If-None-Match names what {self._rests_on.path} answers" if is_excepted(request, tag) else ""

    def _problem(
        self, request: web.Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        return problem(status, sentence, headers, request.rel_url.raw_path)


def _request(asked: object, request: web.Request) -> Request[Any]:
    return Request(asked, request[CALLER], request.match_info, request)


async def _done(route: ApiRoute[Any], control: Control, request: Request[Any]) -> web.StreamResponse:
    """Do what a request asks for, and return the answer; raises BlockdError."""
    answered = route.does(control, request)
    result = await answered if inspect.isawaitable(answered) else answered
    if isinstance(result, web.StreamResponse):
        return result
    if isinstance(result, Reply):
        return json_reply(result.result.to_json(), result.status)
    return json_reply(result.to_json(), route.status)


def _codings(request: web.Request, field: str) -> list[str]:
    return [coding.strip().lower() for line in request.headers.getall(field, ()) for coding in line.split(",")]


def _is_needed(asks: type) -> bool:
    """Return whether a body has to say something."""
    return bool(alternatives_of(asks)) or any(field.is_needed for field in fields_of(asks))


def _decoded(body: bytes, *, may_be_empty: bool) -> dict[str, object]:
    if not body.strip() and may_be_empty:
        return {}
    try:
        decoded: object = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not valid JSON") from error
    if not isinstance(decoded, dict):
        raise Malformed("the body: expected an object")
    return decoded


def _of_form(asks: type, body: bytes) -> dict[str, object]:
    """Return the fields of a form that a request asks for, each as it is given first; raises Malformed."""
    from urllib.parse import parse_qs

    try:
        given = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Malformed(f"the form has more than {MAX_FIELDS} fields") from error
    return {field.name: given[field.name][0] for field in fields_of(asks) if field.name in given}


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of which each key is there once: readers differ in which of two they take (RFC 8259)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("the body has a key twice")
    return found


def _no_number(text: str) -> float:
    raise Malformed(f"the body has {text}, which JSON does not have")


def _malformed(route: ApiRoute[Any], error: Malformed) -> str:
    examples = " or ".join(examples_of(route.asks)) if route.asks else ""
    if route.method == hdrs.METH_GET:
        return f"The query cannot be understood: {error}."
    expected = f" The body must be such as {examples}." if examples else ""
    return f"The request cannot be understood: {error}; nothing was changed.{expected}"
