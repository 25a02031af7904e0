"""The choice between HTTP/2 by libnghttp2, in C, and its twin by h2 (see `blockd.native`)."""

from __future__ import annotations

import os
from collections.abc import Callable

from blockd.native import ENGINE, is_native
from blockd.transports.http.session import HttpSession

EXTENSION = "blockd.transports.http._http2"
REMEDY = "install a C compiler, Python's headers and libnghttp2's (Debian: libnghttp2-dev), then install blockd again"


def why_not_native() -> str:
    """Return why HTTP/2 is not done in C, for the middle of a sentence; empty if it is.

    Raises CommandError if it was asked for and is not there.
    """
    if is_native(EXTENSION):
        return ""
    return f"{ENGINE} asks for it" if os.environ.get(ENGINE) else f"the extension was not built; {REMEDY}"


def http2_session(front_header: bytes, clock: Callable[[], float]) -> HttpSession:
    """Return a session for a connection that speaks HTTP/2; see `Http2Session` for the arguments."""
    if is_native(EXTENSION):
        from blockd.transports.http._http2 import NativeHttp2Session

        return NativeHttp2Session(front_header, clock)
    from blockd.transports.http.http2 import Http2Session  # takes memory where it is not needed

    return Http2Session(front_header, clock)
