"""TLS as a client sees it: with the certificates of the config, and with the listeners of the running blockd."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from blockd.names import Network
from blockd.resolver.edge.proxy_header import LOCAL_HEADER
from blockd.settings import SocketAddress
from blockd.settings.hosts import LOOPBACK_OF
from blockd.tls import CertificatePair, server_tls

PATIENCE = 2.0  # seconds for a handshake on this machine
MAX_FLIGHTS = 16  # of octets in one direction; a handshake has at most four, and tickets behind it


@dataclass(frozen=True, slots=True)
class Handshake:
    """Result of one handshake: what was agreed on, and the server's certificate in DER, or why it failed."""

    alpn: str = ""
    version: str = ""
    certificate: bytes = b""
    failure: str = ""


@contextlib.contextmanager
def connected(address: SocketAddress, fronts: Sequence[Network]) -> Iterator[socket.socket]:
    """Connect to a listener of this machine; one that takes this machine for a front end gets the header it expects."""
    host = LOOPBACK_OF.get(address.host, address.host)
    with socket.create_connection((host, address.port), PATIENCE) as plain:
        own = ip_address(plain.getsockname()[0]).packed
        if any(own in front for front in fronts):
            plain.sendall(LOCAL_HEADER)
        yield plain


def shake_hands(address: SocketAddress, alpn: Sequence[str], name: str, fronts: Sequence[Network] = ()) -> Handshake:
    """Connect to a listener of this machine and agree on TLS; the certificate is not verified.

    `name` is that of the server to ask for, empty for none; `fronts` are networks from which connections must
    begin with a header of the PROXY protocol.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    try:
        with (
            connected(address, fronts) as plain,
            context.wrap_socket(plain, server_hostname=name or None) as tls,
        ):
            certificate = tls.getpeercert(binary_form=True) or b""
            return Handshake(tls.selected_alpn_protocol() or "", tls.version() or "", certificate)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return Handshake(failure=_why(error))


def why_not_trusted(pair: CertificatePair, name: str) -> str:
    """Return why a client with this machine's authorities refuses a chain as that of `name`; empty if it takes it."""
    server = server_tls([pair], ()).session()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    for _ in range(MAX_FLIGHTS):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            server.feed(outgoing.read())
            server.read()
            incoming.write(server.take())
        except (ssl.SSLError, ssl.CertificateError) as error:
            return _why(error)
        else:
            return ""
    return "the handshake does not end"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} seconds"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is refused").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
