"""TLS of the admin port: with the certificates that are in use, and callers who are known by theirs (RFC 8446).

It is done by Python's module `ssl`, in the control process: few connections, and none of clients of DNS.
"""

from __future__ import annotations

import functools
import logging
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blockd.errors import BadCertificate, cause_of
from blockd.files import Stamp, read_configured, stamp_of
from blockd.tls import CertificatePair
from blockd.tls.twin import server_contexts
from blockd.web.callers.role import AccessRole, Caller

MAX_AUTHORITIES = 1 << 20  # octets of the file that has them
ALPN = ("http/1.1",)

log = logging.getLogger(__name__)


class AdminTlsContexts:
    """The context for new connections, made anew when other certificates are in use; `pairs` returns those.

    The file of authorities is read again once it has changed; one that cannot be used then changes nothing.
    """

    def __init__(self, pairs: Callable[[], Sequence[CertificatePair]], client_ca: Path | None) -> None:
        self._pairs = pairs
        self._client_ca = client_ca
        self._stamp: Stamp | tuple[()] | None = ()  # of what was read last; None if there was no file
        self._authorities = ""
        self._of: tuple[tuple[CertificatePair, ...], str] | None = None
        self._context: ssl.SSLContext | None = None
        self._read()

    def context(self) -> ssl.SSLContext:
        """Return the context for a connection that begins now; raises BadCertificate at a start only."""
        self._read()
        pairs = tuple(self._pairs())
        if self._context is None or (pairs, self._authorities) != self._of:
            contexts = server_contexts(pairs, ALPN)
            _pass_over_odd_names()
            if self._authorities:
                for one in contexts:
                    one.verify_mode = ssl.CERT_OPTIONAL
                    one.load_verify_locations(cadata=self._authorities)
                    # A session that is resumed would go on with what was shown at its first, which may have expired.
                    one.options |= ssl.OP_NO_TICKET
                    one.num_tickets = 0
            self._context, self._of = contexts[0], (pairs, self._authorities)
        return self._context

    def _read(self) -> None:
        """Read the authorities if their file is another than was read."""
        if self._client_ca is None:
            return
        stamp = stamp_of(self._client_ca)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._authorities = authorities_in(self._client_ca)
        except BadCertificate as error:
            still = "Those read before are in force" if self._authorities else "Callers are known by tokens alone"
            log.error("listen.admin_tls.client_ca: %s. %s until that is mended.", error, still)


@functools.cache
def _pass_over_odd_names() -> None:
    """Have no traceback written, as `ssl` does by itself, for who asks for a name that is not ASCII: it is refused."""
    before = sys.unraisablehook

    def told(error: sys.UnraisableHookArgs) -> None:
        if not (isinstance(error.exc_value, UnicodeDecodeError) and isinstance(error.object, bytes)):
            before(error)

    sys.unraisablehook = told


def authorities_in(path: Path) -> str:
    """Return the authorities in a file, in PEM; raises BadCertificate with what is wrong with it, without its end."""
    try:
        text = read_configured(path, MAX_AUTHORITIES).decode("ascii", "ignore")  # people write names between them
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificate(str(path), f"{path} cannot be used: it holds no certificates in PEM") from error
    except OSError as error:
        raise BadCertificate(str(path), f"{path} cannot be used: {cause_of(error)}") from error
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
