"""The choice between sessions over libssl, in C, and their twin over the standard library (see `blockd.native`)."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.tls.pair import CertificatePair
from blockd.tls.session import ServerTls
from blockd.tls.twin import PythonServerTls


def server_tls(pairs: Sequence[CertificatePair], alpn: Sequence[str]) -> ServerTls:
    """Return what makes sessions for a listener with these certificates, at least one.

    `alpn` has the protocols that the listener speaks, the preferred one first, as `("dot",)` or `("h2", "http/1.1")`. A
    client that names none of them is refused (RFC 7301 section 3.2); one that names no protocol at all is taken, with
    `alpn` of its session empty. Raises BadCertificate if OpenSSL refuses a pair.
    """
    return PythonServerTls(pairs, alpn)
