"""The choice between HTTP/2 by libnghttp2, in C, and its twin by h2 (see `blockd.native`)."""

from __future__ import annotations

from collections.abc import Callable

from blockd.native import is_native
from blockd.transports.http.session import HttpSession

EXTENSION = "blockd.transports.http._http2"


def http2_session(front_header: bytes, clock: Callable[[], float]) -> HttpSession:
    """Return a session for a connection that speaks HTTP/2; see `Http2Session` for the arguments."""
    if is_native(EXTENSION):
        from blockd.transports.http._http2 import NativeHttp2Session

        return NativeHttp2Session(front_header, clock)
    from blockd.transports.http.http2 import Http2Session  # takes memory where it is not needed

    return Http2Session(front_header, clock)
