"""Answers by gzip (RFC 9110 section 8.4) to who takes that: those about many feeds and orders have megabytes."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import hdrs, web

from blockd.web.negotiate import takes_gzip

SMALL = 1024  # octets below which nothing is packed: it fits in a packet as it is
LEVEL = 1  # of zlib: 7 ms for a megabyte of JSON; level 6 saves an eighth more, and takes three times as long
HERE = 64 * 1024  # octets that are packed at once, in a millisecond; more is packed in a thread
SUFFIX = "-gzip"  # of the entity tag of what is packed: a tag stands for one form of an answer (RFC 9110 section 8.8.3)

_FORM = 31  # zlib: the largest window, with gzip's header and trailer


def is_to_be_packed(request: web.Request, body: bytes) -> bool:
    """Return whether the answer to a request is packed."""
    return len(body) >= SMALL and takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))


async def packed(request: web.Request, reply: web.Response) -> web.Response:
    """Return an answer in the form that its client takes; one that has a coding already, or no octets, stays."""
    body = reply.body
    if not isinstance(body, bytes) or hdrs.CONTENT_ENCODING in reply.headers:
        return reply
    reply.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    if is_to_be_packed(request, body):
        reply.body = _packed(body) if len(body) <= HERE else await asyncio.to_thread(_packed, body)
        reply.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return reply


def _packed(body: bytes) -> bytes:
    packing = zlib.compressobj(LEVEL, zlib.DEFLATED, _FORM)
    return packing.compress(body) + packing.flush()
