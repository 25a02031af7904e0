"""The choice between sessions over libssl, in C, and their twin over the standard library (see `blockd.native`)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from blockd.native import ENGINE, is_native
from blockd.tls.pair import CertificatePair
from blockd.tls.session import ServerTls
from blockd.tls.tickets import SECRET, ForgetfulKeys, TicketKeys
from blockd.tls.twin import PythonServerTls

EXTENSION = "blockd.tls._session"
REMEDY = "install a C compiler, Python's headers and those of OpenSSL 3 (Debian: libssl-dev), then install blockd again"


def why_not_native() -> str:
    """Return why sessions are those of the standard library, for the middle of a sentence."""
    return f"{ENGINE} asks for it" if os.environ.get(ENGINE) else f"the extension was not built; {REMEDY}"


def server_tls(pairs: Sequence[CertificatePair], alpn: Sequence[str], tickets: TicketKeys | None = None) -> ServerTls:
    """Return what makes sessions for a listener with these certificates, at least one.

    `alpn` has the protocols that the listener speaks, the preferred one first, as `("dot",)` or `("h2", "http/1.1")`. A
    client that names none of them is refused (RFC 7301 section 3.2); one that names no protocol at all is taken, with
    `alpn` of its session empty. Without `tickets` clients resume in this process alone, as they do with the twin in any
    case. Raises BadCertificate if OpenSSL refuses a pair.
    """
    if is_native(EXTENSION):
        from blockd.tls._session import NativeServerTls

        return NativeServerTls(pairs, alpn, tickets or ForgetfulKeys(os.urandom(SECRET)))
    return PythonServerTls(pairs, alpn)
