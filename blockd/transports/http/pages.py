"""What is said to requests that are not questions: a status, and a sentence for whoever reads it."""

from __future__ import annotations

import html
from http import HTTPStatus

_NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>404</title>
<p>There is no page here. This server answers DNS over HTTPS (RFC 8484) at <code>{path}</code>, for clients that are
set to use it.</p>
<p lang="id">Tidak ada halaman di sini. Server ini menjawab DNS over HTTPS (RFC 8484) di <code>{path}</code>, untuk
klien yang diatur untuk menggunakannya.</p>
</html>
"""

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: (
        "This request cannot be read as a DNS message (RFC 8484, section 4.1). Send one as the body of a POST, or by "
        "GET as the parameter dns, in base64url without padding."
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: "Only GET and POST are answered here.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "A DNS message may have 4096 octets here.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "A DNS message may have 4096 octets here.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body of a POST has to be application/dns-message.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The header fields of this request are too large or too many.",
    HTTPStatus.NOT_IMPLEMENTED: "The only transfer coding that is read is chunked.",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here.",
}

_NO_STORE = (b"cache-control", b"no-store")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_HTML = (b"content-type", b"text/html; charset=utf-8")
_ALLOW = (b"allow", b"GET, POST")

Page = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]  # status, header fields, body


def page_of(status: int, path: str) -> Page:
    """Return what a request is refused with; `path` is where DNS over HTTPS is answered."""
    if status == HTTPStatus.NOT_FOUND:
        return status, (_HTML, _NO_STORE), _NOT_FOUND.format(path=html.escape(path)).encode()
    allow = (_ALLOW,) if status == HTTPStatus.METHOD_NOT_ALLOWED else ()
    return status, (_TEXT, _NO_STORE, *allow), f"{_SENTENCES[HTTPStatus(status)]}\n".encode()
