# cython: annotation_typing=False, binding=False
"""DNS over HTTPS (RFC 8484): the message in a request, and the header fields of an answer."""

from __future__ import annotations

import binascii

from blockd.dns import types
from blockd.transports.http.freshness import freshness_seconds
from blockd.transports.http.limits import MAX_MESSAGE
from blockd.transports.http.request import HttpRequest

CONTENT_TYPE = b"application/dns-message"
MAX_PARAMETER = -(-MAX_MESSAGE * 4 // 3)  # octets of a message in base64url
PARAMETER = b"dns="
MAX_KNOWN = 3600  # seconds; header fields for fewer are kept: most TTLs are shorter

_ANSWER = types.QR >> 8  # in the third octet
# Header fields by seconds, below MAX_KNOWN.
_shared: dict[int, tuple[tuple[bytes, bytes], tuple[bytes, bytes]]] = {}
_private: dict[int, tuple[tuple[bytes, bytes], tuple[bytes, bytes]]] = {}
_ALPHABET = bytes.maketrans(b"-_+/", b"+/\xff\xff")  # base64url into base64, which it does not take itself


def question_of(request: HttpRequest, path: bytes) -> bytes | int:
    """Return the DNS message that a request to `path` has, or the status with which it is refused."""
    if request.refusal:
        return request.refusal
    where, query = request.target, b""
    if where != path:
        where, _, query = where.partition(b"?")
        if where != path:
            return 404
    method = request.method
    message: bytes | None = None
    if method == b"POST":
        kind = request.content_type
        if kind != CONTENT_TYPE and kind.partition(b";")[0].strip().lower() != CONTENT_TYPE:
            return 415
        message = request.body
    elif method == b"GET":
        for part in query.split(b"&"):
            if part.startswith(PARAMETER):
                if message is not None:
                    return 400
                if len(part) - len(PARAMETER) > MAX_PARAMETER:
                    return 414
                message = _decoded(part[len(PARAMETER) :])
    else:
        return 405
    if message is None or len(message) < types.HEADER_SIZE or message[2] & _ANSWER:
        return 400
    return message


def answer_fields(message: bytes, is_private: bool) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Return the header fields of an answer; `is_private` is whether it may be another for other clients."""
    seconds = freshness_seconds(message)
    known = _private if is_private else _shared
    fields: tuple[tuple[bytes, bytes], tuple[bytes, bytes]] | None = known.get(seconds)
    if fields is None:
        if seconds < 0:
            control = b"no-store"
        else:
            control = b"private, max-age=%d" % seconds if is_private else b"max-age=%d" % seconds
        fields = (b"content-type", CONTENT_TYPE), (b"cache-control", control)
        if seconds < MAX_KNOWN:
            known[seconds] = fields
    return fields


def _decoded(octets: bytes) -> bytes:
    """Return what base64url stands for, nothing if it is not that; padding is needless (RFC 8484 section 4.1)."""
    octets = octets.translate(_ALPHABET)
    try:
        return binascii.a2b_base64(octets + b"=" * (-len(octets) % 4), strict_mode=True)
    except binascii.Error:
        return b""
