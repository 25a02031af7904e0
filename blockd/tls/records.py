"""The records that a stream of TLS consists of (RFC 8446 section 5.1), by their headers, which are never encrypted."""

from __future__ import annotations

from blockd.errors import TlsFailure
from blockd.tls.session import MAX_CIPHERTEXT

_HEADER = 5  # octets of a record before its content
_TYPES = range(20, 24)  # change_cipher_spec, alert, handshake, application_data
_MAJOR = 3  # of every version in a header


class RecordBuffer:
    """Keeps what comes until a record is whole."""

    def __init__(self) -> None:
        self._come = bytearray()

    def __bool__(self) -> bool:
        return bool(self._come)

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Keep octets."""
        self._come += octets

    def take(self, most: int) -> list[bytes]:
        """Return whole records, at most so many; raises TlsFailure for what is none.

        What is longer than a record may be counts as one, with all that came after it: OpenSSL tells the client.
        """
        come, found, at = self._come, list[bytes](), 0
        while len(found) < most and at < len(come):
            if come[at] not in _TYPES or (at + 1 < len(come) and come[at + 1] != _MAJOR):
                raise TlsFailure("it does not speak TLS")
            if at + _HEADER > len(come):
                break
            length = int.from_bytes(come[at + 3 : at + _HEADER])
            end = at + _HEADER + length if length <= MAX_CIPHERTEXT else len(come)
            if end > len(come):
                break
            found.append(bytes(come[at:end]))
            at = end
        del come[:at]
        return found
