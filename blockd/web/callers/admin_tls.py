"""TLS of the admin port: with the certificates that are in use, and callers who are known by theirs (RFC 8446).

It is done by Python's module `ssl`, in the control process: few connections, and none of clients of DNS.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blockd.errors import cause_of
from blockd.files import read_configured
from blockd.tls import CertificatePair
from blockd.tls.twin import server_contexts
from blockd.web.callers.role import AccessRole, Caller

MAX_AUTHORITIES = 1 << 20  # octets of the file that has them
ALPN = ("http/1.1",)

log = logging.getLogger(__name__)


class AdminTlsContexts:
    """The context for new connections, made anew when other certificates are in use; `pairs` returns those."""

    def __init__(self, pairs: Callable[[], Sequence[CertificatePair]], client_ca: Path | None) -> None:
        self._pairs = pairs
        self._authorities = _authorities(client_ca)
        self._of: tuple[CertificatePair, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for a connection that begins now; raises BadCertificate at a start only."""
        pairs = tuple(self._pairs())
        if self._context is None or pairs != self._of:
            contexts = server_contexts(pairs, ALPN)
            if self._authorities:
                for one in contexts:
                    one.verify_mode = ssl.CERT_OPTIONAL
                    one.load_verify_locations(cadata=self._authorities)
            self._context, self._of = contexts[0], pairs
        return self._context


def _authorities(path: Path | None) -> str:
    """Return the authorities in a file, empty without one, or if it cannot be used, which is logged."""
    if path is None:
        return ""
    try:
        text = read_configured(path, MAX_AUTHORITIES).decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except (OSError, ValueError) as error:
        why = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError | ValueError) else cause_of(error)
        log.error(
            "listen.admin_tls.client_ca: %s cannot be used: %s. Until that is mended and blockd is started again, "
            "callers are known by tokens alone.", path, why,
        )  # fmt: skip
        return ""
    return text


def certificate_caller(shown: Mapping[str, Any] | None, roles: Mapping[str, AccessRole]) -> Caller | None:
    """Return who shows a certificate that was verified, as `ssl` tells of it; None if its names have no role.

    `roles` is by names; of several names the one with the most rights counts.
    """
    if not shown:
        return None
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    names += [value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS"]
    known = max((name for name in names if name in roles), key=lambda name: roles[name], default=None)
    return None if known is None else Caller(f"certificate {known}", roles[known], "certificate")
