"""TLS by the standard library's `ssl` over memory BIOs: for where the extension was not built.

Its session tickets are good in the process that made them alone, since `ssl` cannot set their keys.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Sequence
from typing import cast

from blockd.errors import BadCertificate, BadClientHello, BadHostName, TlsFailure
from blockd.tls.client_hello import MAX_RECORD, ClientHelloReader, protocols, server_name
from blockd.tls.pair import CertificatePair, choose
from blockd.tls.records import RecordBuffer
from blockd.tls.session import CIPHERS, MAX_CLIENT_HELLO, MAX_EMPTY_RECORDS, RECORDS_AT_ONCE, TICKETS

_ALERT = bytes((21, 3, 3, 0, 2, 2))  # a record with a fatal one, of which the last octet says why (RFC 8446 section 6)
_DECODE_ERROR, _UNRECOGNIZED_NAME, _NO_APPLICATION_PROTOCOL = b"\x32", b"\x70", b"\x78"
_CURVE = "prime256v1"  # P-256, the one of GROUPS that `ssl` can be given; who shows another is asked for this one
_HANDSHAKE = 22  # the type of a record (RFC 8446 section 5.1)
_NO_CONTENT = 5  # octets of a record that has none


class _Tls(ssl.SSLObject):
    """With the name that the client asked for."""

    asked_for = ""


class PythonServerTls:
    """`blockd.tls.session.ServerTls` over the standard library."""

    def __init__(self, pairs: Sequence[CertificatePair], alpn: Sequence[str]) -> None:
        self.alpn = tuple(alpn)
        self._contexts: list[ssl.SSLContext] = []
        self.use(pairs)

    def use(self, pairs: Sequence[CertificatePair]) -> None:
        """Use other certificates for new sessions, as `ServerTls` says."""
        if not pairs:
            raise ValueError("a server shows at least one certificate")
        self._contexts = server_contexts(pairs, self.alpn)

    def session(self) -> PythonTlsSession:
        """Return a session for a new connection."""
        return PythonTlsSession(self)

    def begin(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> _Tls:
        """Return the TLS of a session that begins now."""
        return cast(_Tls, self._contexts[0].wrap_bio(incoming, outgoing, server_side=True))


def server_contexts(pairs: Sequence[CertificatePair], alpn: Sequence[str]) -> list[ssl.SSLContext]:
    """Return a context for each certificate; who asks the first for the name of another is shown that."""
    contexts = [_context(pair, alpn) for pair in pairs]

    def ask(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        asked = (name or "").lower()
        cast(_Tls, tls).asked_for = asked
        tls.context = contexts[choose(pairs, asked)]

    contexts[0].sni_callback = ask
    return contexts


def _context(pair: CertificatePair, alpn: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = TICKETS
    context.set_ciphers(CIPHERS)
    context.set_ecdh_curve(_CURVE)
    context.set_alpn_protocols(list(alpn))
    context.sslobject_class = _Tls
    _load(context, pair)
    return context


def _load(context: ssl.SSLContext, pair: CertificatePair) -> None:
    """Load a pair by way of a file in memory, since `ssl` takes only paths: no key is written to a disk."""
    descriptor = os.memfd_create("certificate")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.chain + pair.key)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except (ssl.SSLError, OSError) as error:
        raise BadCertificate(pair.source, f"OpenSSL refuses {pair.source} with its key ({_reason(error)})") from error


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or "no reason told"
    return str(reason).lower().replace("_", " ")


class PythonTlsSession:
    """`blockd.tls.session.TlsSession` over the standard library."""

    def __init__(self, server: PythonServerTls) -> None:
        self._server = server
        self._records = RecordBuffer()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: _Tls | None = None  # from the first record on
        self._hello: ClientHelloReader | None = ClientHelloReader(MAX_CLIENT_HELLO)  # until no other comes
        self._of_handshake = 0  # octets
        self._empty = 0  # records without data
        self._failure = ""
        self._closed = False
        self.is_established = False
        self.is_over = False
        self.has_more = False

    @property
    def alpn(self) -> str:
        """The protocol agreed on."""
        return self._tls.selected_alpn_protocol() or "" if self._tls and self.is_established else ""

    @property
    def is_resumed(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        return bool(self._tls and self.is_established and self._tls.session_reused)

    @property
    def server_name(self) -> str:
        """The name that the client asked for."""
        return self._tls.asked_for if self._tls else ""

    @property
    def version(self) -> str:
        """`TLSv1.2` or `TLSv1.3`."""
        return self._tls.version() or "" if self._tls and self.is_established else ""

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take octets of the network."""
        if not self._failure and not self.is_over:
            self._records.feed(octets)

    def read(self) -> bytes:
        """Advance the handshake, and return plain octets."""
        if self._failure:
            raise TlsFailure(self._failure)
        try:
            records = self._records.take(RECORDS_AT_ONCE)
        except TlsFailure as error:
            raise self._failed(str(error)) from None
        self.has_more = len(records) == RECORDS_AT_ONCE and bool(self._records)
        if not records or self.is_over:
            return b""
        if self._tls is None:
            self._tls = self._server.begin(self._incoming, self._outgoing)
        while not self.is_established and records:
            if self._hello is not None:
                self._check_hello(self._hello, records[0])
            self._shake_hands(self._tls, records.pop(0))
        return self._decrypt(self._tls, records)

    def _check_hello(self, hello: ClientHelloReader, record: bytes) -> None:
        """Refuse a client that offers none of our protocols, which `ssl` would take.

        Also one that asks for a name that is not ASCII, for `ssl` would write a traceback; OpenSSL sees to all else.
        """
        if record[0] != _HANDSHAKE or len(record) == _NO_CONTENT:
            return
        if self._of_handshake + len(record) > MAX_CLIENT_HELLO:
            raise self._failed("its handshake is too long")
        try:
            body = hello.feed(record)
        except BadClientHello:  # nor is it one to OpenSSL
            self._hello = None
            return
        if body is None:
            return
        self._hello = ClientHelloReader(MAX_CLIENT_HELLO)  # for the second one, if OpenSSL asks for another group
        try:
            offered = protocols(body)
            server_name(body)
        except BadHostName as error:
            raise self._refused(_UNRECOGNIZED_NAME, str(error)) from error
        except BadClientHello as error:
            raise self._refused(_DECODE_ERROR, str(error)) from error
        if offered is not None and not {one.encode() for one in self._server.alpn}.intersection(offered):
            raise self._refused(_NO_APPLICATION_PROTOCOL, "no application protocol")

    def _refused(self, alert: bytes, why: str) -> TlsFailure:
        self._outgoing.write(_ALERT + alert)
        return self._failed(why)

    def _shake_hands(self, tls: _Tls, record: bytes) -> None:
        self._incoming.write(record)
        self._of_handshake += len(record)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            if self._of_handshake > MAX_CLIENT_HELLO:
                raise self._failed("its handshake is too long") from None
        except ssl.SSLError as error:
            raise self._failed(_reason(error)) from error
        else:
            self.is_established = True

    def _decrypt(self, tls: _Tls, records: list[bytes]) -> bytes:
        """Return the data of records; a failure after some of it is raised at the next call."""
        self._incoming.write(b"".join(records))
        parts: list[bytes] = []
        try:
            while records and not self.is_over and self._incoming.pending:
                if part := tls.read(MAX_RECORD):
                    parts.append(part)
                else:
                    self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # after our own close_notify
            self.is_over = True
        except ssl.SSLError as error:
            self._failed(_reason(error))
        self._empty += len(records) - len(parts)
        if self._empty > MAX_EMPTY_RECORDS and not self._failure:
            self._failed("it sent too many records without data")
        self.has_more = self.has_more and not self.is_over
        if self._failure and not parts:
            raise TlsFailure(self._failure)
        return b"".join(parts)

    def _failed(self, why: str) -> TlsFailure:
        self._failure = f"TLS with a client has failed: {why}"
        self.has_more = False
        return TlsFailure(self._failure)

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Encrypt octets for the client."""
        if self._failure:
            raise TlsFailure(self._failure)
        if self._tls is None or not self.is_established:
            raise self._failed("it was written to before its handshake was complete")
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
        if not self._closed and self._tls is not None and self.is_established and not self._failure:
            self._closed = True
            with contextlib.suppress(ssl.SSLError):  # that the client has not said so yet
                self._tls.unwrap()
