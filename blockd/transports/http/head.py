# cython: annotation_typing=False, binding=False
"""The head of an HTTP/1.1 request (RFC 9112 sections 3 to 6): request line and header fields, read strictly.

What two readers could understand in two ways is refused, since a front end may be one of them.
"""

from __future__ import annotations

import re

from blockd.transports.http.limits import FIELD_OVERHEAD, MAX_FIELDS, MAX_HEADERS, MAX_MESSAGE
from blockd.transports.http.request import HttpRequest

MAX_LENGTH = 18  # digits of a content length

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_ABSOLUTE = re.compile(rb"https?://[^/?]*", re.IGNORECASE)


class Http1Head:
    """What a head says; `request.refusal` is a status if it is not to be answered otherwise."""

    def __init__(self) -> None:
        self.request = HttpRequest(0)
        self.length = 0  # octets of the body
        self.is_chunked = False
        self.keeps = True  # the connection stays open after the response
        self.expects = False  # the client waits for 100 (Continue) before it sends the body


def read_head(octets: bytes, front_header: bytes) -> Http1Head:
    """Return what is before the empty line of a request; every line ends with CRLF, but for the last."""
    head = Http1Head()
    request = head.request
    lines = octets.split(b"\r\n")
    match = _LINE.fullmatch(lines[0])
    if match is None:
        request.refusal = 400
        return head
    request.method, target, major, minor = match.groups()
    is_old = major == b"1" and minor == b"0"
    head.keeps = not is_old
    if major != b"1":
        request.refusal = 505
        return head
    if not target.startswith(b"/") and target != b"*":  # RFC 9112 section 3.2.2
        absolute = _ABSOLUTE.match(target)
        if absolute is None:
            request.refusal = 400
            return head
        target = b"/" + target[absolute.end() :].removeprefix(b"/")
    request.target = target
    hosts = 0
    lengths = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        request.fields += 1
        request.cost += len(line) + FIELD_OVERHEAD
        if request.fields > MAX_FIELDS or request.cost > MAX_HEADERS:
            request.refusal = 431
            return head
        if not colon or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            request.refusal = 400
            return head
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or head.is_chunked:
                request.refusal = 501
                return head
            head.is_chunked = True
        elif name == b"connection":
            _take_connection(head, value.lower(), is_old)
        elif name == b"expect":
            head.expects = value.lower() == b"100-continue"
        else:
            request.take_field(name, value, front_header)
    if (hosts != 1 and not is_old) or hosts > 1 or (head.is_chunked and (lengths or is_old)):
        request.refusal = 400
    elif lengths:
        length = lengths[0]
        if len(set(lengths)) > 1 or not length.isdigit() or len(length) > MAX_LENGTH:
            request.refusal = 400
        else:
            head.length = int(length)
            if head.length > MAX_MESSAGE:
                request.refusal = 413
    return head


def _take_connection(head: Http1Head, value: bytes, is_old: bool) -> None:
    options = [option.strip() for option in value.split(b",")]
    if b"close" in options:
        head.keeps = False
    elif is_old and b"keep-alive" in options:
        head.keeps = True
