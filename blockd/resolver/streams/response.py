"""One response of DNS over HTTPS (RFC 8484 section 4.2): status, content type, and a body of bounded length."""

from __future__ import annotations

from collections.abc import Iterable

from blockd.dns import types
from blockd.printable import unproved
from blockd.resolver.streams.listener import FailureKind

CONTENT_TYPE = b"application/dns-message"
MAX_SHOWN = 60  # characters of a content type in a sentence


class DohResponse:
    """Collects a response; `refusal`, once it is not empty, continues the upstream's name."""

    __slots__ = ("_body", "kind", "refusal")

    def __init__(self) -> None:
        self._body = bytearray()
        self.refusal = ""
        self.kind: FailureKind = "http"

    def take_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take the headers of the final response."""
        fields = {name.lower(): value for name, value in headers}
        status = fields.get(b":status", b"")
        if status != b"200":
            self.refusal = f"answered with the HTTP status {unproved(status, 3)}"
            return
        content_type = fields.get(b"content-type", b"")
        if content_type.partition(b";")[0].strip().lower() != CONTENT_TYPE:
            what = unproved(content_type, MAX_SHOWN) if content_type else "no content type"
            self.refusal = f"answered over HTTPS with {what} instead of {CONTENT_TYPE.decode()}"
            return
        length = fields.get(b"content-length", b"0")
        if not (length.isdigit() and len(length) <= 20 and int(length) <= types.MAX_TCP):
            self._refuse_length()

    def take(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body += data
        if len(self._body) > types.MAX_TCP:
            self._refuse_length()

    def message(self) -> bytes:
        """Return the whole body once the response has ended; sets `refusal` if it is too short."""
        if len(self._body) < types.HEADER_SIZE:
            self.kind = "malformed"
            self.refusal = f"sent a message of {len(self._body)} octets"
        return bytes(self._body)

    def _refuse_length(self) -> None:
        self.kind = "malformed"
        self.refusal = f"sent a message of more than {types.MAX_TCP} octets"
        self._body.clear()
