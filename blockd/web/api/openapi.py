"""The OpenAPI 3.1 document of the admin port, from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from blockd import __version__
from blockd.web.api.replies import PROBLEM
from blockd.web.api.route import ApiRoute, Opened
from blockd.web.api.schema import Schema, Schemas
from blockd.web.api.shapes import Problem
from blockd.web.callers.caller import AccessRole

MAX_PART = 1024  # characters of a part of a path
_PART = re.compile(r"\{([a-z_]+)\}")
_EVERY = {
    400: "The request is not what this path takes.",
    401: "The request comes from nobody who is known.",
    403: "The caller's role is not enough, or the Host or Origin is not one of this port.",
    404: "There is no such path, or nothing that it names.",
    405: "This path requires another method.",
    406: "The request does not accept what this path answers.",
    412: "What If-Match names is not so any more. Nothing was changed.",
    417: "The request expects something else than 100-continue.",
    422: "The request is understood, and cannot be done. Nothing was changed.",
    429: "Too many attempts came from this address.",
    431: "The first line, or a header field, is too long.",
    500: "blockd failed to answer. What is enforced has not changed.",
    503: "Too many requests of this kind wait. Nothing was done; ask again in a second.",
}
_OF_COMMANDS = {
    408: "The body did not come in time. Nothing was changed.",
    413: "The body is too large.",
    415: "The body is not sent as application/json.",
    501: "The body has a Transfer-Encoding that nobody decodes here.",
}
_SCHEMES: Schema = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token made by `blockd token add`."},
}


def openapi(routes: Sequence[ApiRoute[Any]]) -> Schema:
    """Return the document as JSON values; aliases are left out, since nothing new should use them."""
    schemas = Schemas()
    paths: dict[str, Schema] = {}
    problem = {"description": "An error.", "content": _problem(schemas)}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "blockd",
            "version": __version__,
            "summary": "What a resolver that enforces blocklists answers on its admin port.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": schemas.named,
            "responses": {"Problem": problem},
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(route: ApiRoute[Any], schemas: Schemas) -> Schema:
    parameters: list[Schema] = [
        {
            "name": name, "in": "path", "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_PART},
        }
        for name in _PART.findall(route.path)
    ]  # fmt: skip
    operation: Schema = {"operationId": route.name, "summary": route.summary, "description": _role(route)}
    if route.method == "GET":
        parameters += schemas.parameters(route.asks) if route.asks else []
    elif route.asks is not None:
        operation["requestBody"] = {
            "required": True,  # so that its Content-Type is there, which pages of other sites cannot send
            "content": {media: {"schema": schemas.asked(route.asks)} for media in route.bodies},
        }
    if route.rests_on:
        parameters.append(
            {
                "name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"},
                "description": f"The entity tag of {route.rests_on}: nothing is done if that answers otherwise by now.",
            }
        )  # fmt: skip
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = _responses(route, schemas)
    if route.role is not AccessRole.NONE:
        unknown: list[Schema] = [{}] if route.opened is not Opened.TO_NOBODY else []
        operation["security"] = [*unknown, *({name: []} for name in _SCHEMES)]
    return operation


def _problem(schemas: Schemas) -> Schema:
    return {PROBLEM: {"schema": schemas.of(Problem)}}


def _role(route: ApiRoute[Any]) -> str:
    if route.role is AccessRole.NONE:
        return "Anybody may ask."
    return f"It needs the role `{route.role.text}`. {route.opened.value}".rstrip()


def _responses(route: ApiRoute[Any], schemas: Schemas) -> Schema:
    content: Schema = {}
    if route.answers is not None:
        content[route.media] = {"schema": schemas.of(route.answers)}
    else:
        content[route.media.partition(";")[0]] = {}
    if route.also:
        content[route.also] = {}
    answers = {route.status: "What is asked for.", **route.statuses}
    responses = {
        str(status): {"description": what, "content": {**content, **(_problem(schemas) if status >= 400 else {})}}
        if status != HTTPStatus.SEE_OTHER
        else {"description": what}
        for status, what in answers.items()
    }
    errors = _EVERY | (_OF_COMMANDS if route.method == "POST" else {})
    for status in sorted(errors):
        responses.setdefault(str(status), {"$ref": "#/components/responses/Problem"})
    if route.answers is not None and route.method == "GET":
        responses["304"] = {"description": "What the client has is what would be answered."}
    return responses
