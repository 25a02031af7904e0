"""What a TLS session of a server is to those who carry its octets: no socket, no clock, no task.

A session is fed what the network brings and asked for what it holds for each side::

    session.feed(octets)              # as they came
    while plain := session.read():    # raises TlsFailure: send what `take` returns, then close
        ...
    session.write(answer)
    network.send(session.take())      # after each read and write, and after `close`

Sessions are made by `ServerTls`, of which there is one for each listener in a process. It is written in C over libssl,
and has a twin over the standard library's `ssl`; see `blockd.tls.choice`. Versions are TLS 1.2 and 1.3 (RFC 9325),
without renegotiation, compression and early data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blockd.tls.client_hello import MAX_HELLO, MAX_RECORD
from blockd.tls.pair import CertificatePair

MAX_CLIENT_HELLO = MAX_HELLO  # octets of a client until its handshake is complete
MAX_CIPHERTEXT = MAX_RECORD + 2048  # octets of one record after its header in TLS 1.2 (RFC 5246 section 6.2.3)
RECORDS_AT_ONCE = 32  # records that one `read` decrypts: those of a single octet cost as much time as long ones
# Records without data once the handshake is complete: alerts, key updates (RFC 8446 section 4.6.3), attempts
# to negotiate again (RFC 5246 section 7.4.1.1), padding alone. Each makes work for 22 octets; no client needs many.
MAX_EMPTY_RECORDS = 64
TICKETS = 1  # that a client gets after a full handshake: few open several connections at once
# For TLS 1.2 (RFC 9325 section 4.2): forward secrecy and authenticated encryption. Those of TLS 1.3 all have both.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# For TLS 1.3, the preferred first: its handshake is mostly hashing, and SHA-256 costs least where processors help.
SUITES = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
# For the exchange of keys, the preferred first: those that cost a server about as little as its signature does. OpenSSL
# would take any that a client shows, and ffdhe8192 costs 90 ms for a ClientHello that may be the same each time. Every
# client knows one of these (RFC 8446 section 9.1). The first sequence of which OpenSSL knows all is used.
GROUPS = ("X25519MLKEM768:X25519:P-256", "X25519:P-256")


class TlsSession(Protocol):
    """One connection's TLS at the server; it is used by one thread."""

    @property
    def is_established(self) -> bool:
        """Whether the handshake is complete; only then may `write` be called."""

    @property
    def is_over(self) -> bool:
        """Whether the client has said that it sends nothing more (close_notify); it may be written to nevertheless."""

    @property
    def has_more(self) -> bool:
        """Whether `read` left records for the next call, which needs no further octets."""

    @property
    def alpn(self) -> str:
        """The protocol agreed on (RFC 7301), as `dot` or `h2`; empty if the client named none, or not yet."""

    @property
    def is_resumed(self) -> bool:
        """Whether the handshake resumed an earlier session; False until it is complete."""

    @property
    def server_name(self) -> str:
        """The name that the client asked for (RFC 6066), in lower case; empty if it asked for none, or not yet."""

    @property
    def version(self) -> str:
        """`TLSv1.2` or `TLSv1.3`; empty until the handshake is complete."""

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take octets of the network. They are only kept; `read` handles them, and what it costs falls there."""

    def read(self) -> bytes:
        """Advance the handshake, and return plain octets; `b""` if there are none yet.

        At most `RECORDS_AT_ONCE` records are handled: call it again while it returns octets or `has_more`. Raises
        TlsFailure if the client breaks the protocol, a bound, or agrees to no version, cipher or ALPN protocol of ours;
        then it raises at each call, `take` returns the alert, and the connection is closed.
        """

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Encrypt octets for the client; what is written at once shares records. Raises TlsFailure if it cannot."""

    def take(self) -> bytes:
        """Return what is to be sent to the network, once; `b""` if nothing is."""

    def close(self) -> None:
        """Say that nothing more is written (close_notify), which `take` then returns; again does nothing."""


class ServerTls(Protocol):
    """Certificates and rules of one listener, from which it makes a session for each connection."""

    def session(self) -> TlsSession:
        """Return a session for a new connection."""

    def use(self, pairs: Sequence[CertificatePair]) -> None:
        """Use other certificates for new sessions, at least one; those that exist go on with what they have.

        A client gets the first with the name it asks for, else the first with a wildcard for it, else the first.
        Raises BadCertificate if OpenSSL refuses one of them; then nothing has changed.
        """
