"""What the admin port answers: JSON with an entity tag, and problem details for every error (RFC 9457)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import ETag, hdrs, web

from blockd.web.api.conditions import is_for, is_known
from blockd.web.api.packing import SUFFIX, is_to_be_packed

PROBLEM = "application/problem+json"
NAME = "blockd"  # as every answer names its server
# What an answer has that says nothing else: it is kept nowhere, is no page, and is for the pages of this site alone.
_STANDING = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # else the Origin of a form is null
    "X-Content-Type-Options": "nosniff",
}
KEEPABLE = "private, no-cache"  # a browser may keep an answer with a tag, and asks before it shows it again


def problem_json(status: int, sentence: str, instance: str = "") -> dict[str, object]:
    """Return an error: `detail` is the sentence, which `error` repeats for programs that know no problem details."""
    told: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    told["detail"] = sentence
    if instance:
        told["instance"] = instance
    return {**told, "error": sentence}


def json_octets(data: object) -> bytes:
    """Return JSON values as a line of UTF-8; raises ValueError for a number that JSON does not have."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"  # a lone surrogate, which a request can hold, has no octets


def problem(status: int, sentence: str, headers: Mapping[str, str] | None = None, instance: str = "") -> web.Response:
    """Return an error as an answer."""
    body = json_octets(problem_json(status, sentence, instance))
    return web.Response(status=status, body=body, content_type=PROBLEM, headers=headers)


def json_reply(data: object, status: int = 200) -> web.Response:
    """Return JSON values as an answer."""
    return web.Response(status=status, body=json_octets(data), content_type="application/json")


def tag_of(body: bytes) -> str:
    """Return the entity tag of an answer's octets, without quotes."""
    return hashlib.sha256(body).hexdigest()[:32]


def octets_of(reply: web.StreamResponse) -> bytes:
    """Return the octets of an answer that is whole; empty for any other."""
    body = reply.body if isinstance(reply, web.Response) else None
    return body if isinstance(body, bytes) else b""


def tagged(request: web.Request, reply: web.Response) -> web.Response:
    """Return the answer to a question with its entity tag, or that it is what the client has (RFC 9110 section 13)."""
    body = octets_of(reply)
    plain = tag_of(body)
    if not is_for(request, plain):
        sentence = "What If-Match names is not what this path answers now."
        return problem(HTTPStatus.PRECONDITION_FAILED, sentence, instance=request.rel_url.raw_path)
    tag = plain + (SUFFIX if is_to_be_packed(request, body) else "")
    if is_known(request, tag):
        reply = web.Response(status=HTTPStatus.NOT_MODIFIED)
    reply.etag = ETag(tag)
    reply.headers[hdrs.CACHE_CONTROL] = KEEPABLE
    reply.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    return reply


def complete(reply: web.StreamResponse) -> None:
    """Add to an answer what every answer has."""
    reply.headers[hdrs.SERVER] = NAME
    for name, value in _STANDING.items():
        reply.headers.setdefault(name, value)
