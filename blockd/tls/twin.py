"""TLS by the standard library's `ssl` over memory BIOs: for where the extension was not built.

Its session tickets are good in the process that made them alone, since `ssl` cannot set their keys.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Sequence
from typing import cast

from blockd.errors import BadCertificate, TlsFailure
from blockd.tls.pair import CertificatePair, choose
from blockd.tls.session import MAX_CLIENT_HELLO, MAX_EMPTY_RECORDS, MAX_RECORD, RECORDS_AT_ONCE, TlsSession

# For TLS 1.2 (RFC 9325 section 4.2): forward secrecy and authenticated encryption. Those of TLS 1.3 all have both.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
TICKETS = 1  # that a client gets after a full handshake

_HEADER = 5  # octets of a record before its content


class _Tls(ssl.SSLObject):
    """With the name that the client asked for."""

    asked_for = ""


class PythonServerTls:
    """`blockd.tls.session.ServerTls` over the standard library."""

    def __init__(self, pairs: Sequence[CertificatePair], alpn: Sequence[str]) -> None:
        self._alpn = list(alpn)
        self._contexts: list[ssl.SSLContext] = []
        self.use(pairs)

    def use(self, pairs: Sequence[CertificatePair]) -> None:
        """Use other certificates for new sessions, as `ServerTls` says."""
        contexts = [self._context(pair) for pair in pairs]

        def ask(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            asked = (name or "").lower()
            cast(_Tls, tls).asked_for = asked
            tls.context = contexts[choose(pairs, asked)]

        contexts[0].sni_callback = ask
        self._contexts = contexts

    def session(self) -> TlsSession:
        """Return a session for a new connection."""
        return PythonTlsSession(self._contexts[0])

    def _context(self, pair: CertificatePair) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = TICKETS
        context.set_ciphers(CIPHERS)
        context.set_alpn_protocols(self._alpn)
        context.sslobject_class = _Tls
        _load(context, pair)
        return context


def _load(context: ssl.SSLContext, pair: CertificatePair) -> None:
    """Load a pair by way of a file in memory, since `ssl` takes only paths: no key is written to a disk."""
    descriptor = os.memfd_create("certificate")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.chain + b"\n" + pair.key)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except (ssl.SSLError, OSError) as error:
        raise BadCertificate(pair.source, f"OpenSSL refuses {pair.source} with its key ({_reason(error)})") from error


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or "no reason told"
    return str(reason).lower().replace("_", " ")


class PythonTlsSession:
    """`blockd.tls.session.TlsSession` over the standard library."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = cast(_Tls, context.wrap_bio(self._incoming, self._outgoing, server_side=True))
        self._fed = 0  # octets of the handshake
        self._records = _RecordCount()
        self._empty = 0  # records without data
        self._failure = ""
        self._closed = False
        self.is_established = False
        self.is_over = False
        self.has_more = False

    @property
    def alpn(self) -> str:
        """The protocol agreed on."""
        return self._tls.selected_alpn_protocol() or "" if self.is_established else ""

    @property
    def is_resumed(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        return bool(self.is_established and self._tls.session_reused)

    @property
    def server_name(self) -> str:
        """The name that the client asked for."""
        return self._tls.asked_for

    @property
    def version(self) -> str:
        """`TLSv1.2` or `TLSv1.3`."""
        return self._tls.version() or "" if self.is_established else ""

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take octets of the network."""
        if not self._failure and not self.is_over:
            self._incoming.write(octets)
            self._fed += len(octets)
            self._records.feed(octets)

    def read(self) -> bytes:
        """Advance the handshake, and return plain octets."""
        if self._failure:
            raise TlsFailure(self._failure)
        try:
            if not self.is_established and not self._shake_hands():
                return b""
            return self._read()
        except ssl.SSLError as error:
            raise self._failed(_reason(error)) from error

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            if self._fed > MAX_CLIENT_HELLO:
                raise self._failed("the handshake is too long") from None
            return False
        self.is_established = True
        self._records.begin(self._incoming.pending)
        return True

    def _read(self) -> bytes:
        parts: list[bytes] = []
        self.has_more = False
        try:
            while not self.is_over and len(parts) < RECORDS_AT_ONCE:
                if part := self._tls.read(MAX_RECORD):
                    parts.append(part)
                else:
                    self.is_over = True
            self.has_more = not self.is_over and self._incoming.pending > 0
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # after our own close_notify
            self.is_over = True
        self._empty += self._records.take(self._incoming.pending) - len(parts)
        if self._empty > MAX_EMPTY_RECORDS:
            raise self._failed("too many records without data")
        return b"".join(parts)

    def _failed(self, why: str) -> TlsFailure:
        self._failure = f"a TLS client was refused: {why}"
        self.has_more = False
        return TlsFailure(self._failure)

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Encrypt octets for the client."""
        view = memoryview(octets)
        try:
            while len(view):
                view = view[self._tls.write(view) :]
        except ssl.SSLError as error:
            raise self._failed(_reason(error)) from error

    def take(self) -> bytes:
        """Return what is to be sent to the network, once."""
        return self._outgoing.read()

    def close(self) -> None:
        """Say that nothing more is written."""
        if not self._closed and self.is_established and not self._failure:
            self._closed = True
            with contextlib.suppress(ssl.SSLError):  # that the client has not said so yet
                self._tls.unwrap()


class _RecordCount:
    """How many records of a stream have been handled, by their headers alone, which are never encrypted."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0  # octets that are still to come of the last record
        self._ends: list[int] = []  # octets that had been fed at the end of each record
        self._total = 0

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Note records whose end is in these octets."""
        view, at = memoryview(octets), 0
        while at < len(view):
            if self._left:
                step = min(self._left, len(view) - at)
                self._left -= step
                at += step
            else:
                taken = bytes(view[at : at + _HEADER - len(self._header)])
                at += len(taken)
                self._header += taken
                if len(self._header) < _HEADER:
                    break
                self._left = int.from_bytes(self._header[3:])
                self._header = b""
                if self._left:
                    continue
            if not self._left:
                self._ends.append(self._total + at)
        self._total += len(view)

    def begin(self, pending: int) -> None:
        """Forget those of the handshake; `pending` octets have not been read."""
        self.take(pending)

    def take(self, pending: int) -> int:
        """Return how many have been read since; `pending` octets have not been."""
        read = self._total - pending
        known = len(self._ends)
        self._ends = [end for end in self._ends if end > read]
        return known - len(self._ends)
