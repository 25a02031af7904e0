"""How an upstream proves who it is: its certificate's name, its key, ALPN; and the sessions that are resumed."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from blockd.resolver.streams.spki import key_digest
from blockd.settings import Upstream

ALPN = {"tls": "dot", "https": "h2"}  # registered by RFC 7858 and RFC 9113
RESUMED_FOR = 3600.0  # seconds after the last whole handshake: until then a certificate's end goes unnoticed

_Bio = ssl.MemoryBIO


class ResumingContext(ssl.SSLContext):
    """TLS settings of one upstream that hand the last session to the next connection.

    Event loops make the TLS object themselves, by `wrap_bio`, and have no argument for a session.
    """

    session: ssl.SSLSession | None = None

    def wrap_bio(
        self,
        incoming: _Bio,
        outgoing: _Bio,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return a TLS object; the session kept is used for one only, as RFC 8446 appendix C.4 asks."""
        kept, self.session = self.session, None
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or kept)


class UpstreamProof:
    """What an upstream over TLS must prove, the same for each of its connections.

    Without a name the certificate may be anybody's, if only its key is one of the pins.
    """

    def __init__(
        self, upstream: Upstream, authorities: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pins = upstream.pins
        self._protocol = ALPN[upstream.transport]
        self._must_agree = upstream.transport == "https"
        self._clock = clock
        self._proven = 0.0  # when the last whole handshake ended
        self.server_name = upstream.tls_name or ""
        self.context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols([self._protocol])
        if not self.server_name:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        elif authorities is None:
            self.context.load_default_certs()
        else:
            self.context.load_verify_locations(authorities)

    def begin(self) -> ssl.SSLContext:
        """Return the settings for a new connection."""
        if self._clock() >= self._proven + RESUMED_FOR:
            self.context.session = None
        return self.context

    def refusal(self, tls: ssl.SSLObject) -> str:
        """Return, as the rest of a sentence about the upstream, what is missing after a handshake; empty if nothing."""
        agreed = tls.selected_alpn_protocol()
        if self._must_agree and agreed != self._protocol:
            return f"does not speak HTTP/2 (it agreed to {agreed or 'no protocol'} by ALPN), which DNS over HTTPS needs"
        if self._pins:
            try:
                digest = key_digest(tls.getpeercert(binary_form=True) or b"")
            except ValueError:
                return "has a certificate whose key cannot be read"
            if digest not in self._pins:
                return f"has a key that is not pinned (pin-sha256={base64.b64encode(digest).decode()})"
        if not tls.session_reused:
            self._proven = self._clock()
        return ""

    def keep(self, tls: ssl.SSLObject) -> None:
        """Keep the session of a connection that has proven itself; with TLS 1.3, call it once something has come."""
        session = tls.session
        if session is not None and (session.has_ticket or (tls.version() != "TLSv1.3" and session.id)):
            self.context.session = session
