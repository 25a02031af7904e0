"""TLS for whoever serves it: certificates, contexts, sessions without sockets."""

from blockd.tls.choice import server_tls
from blockd.tls.pair import CertificatePair, read_pair
from blockd.tls.session import ServerTls, TlsSession

__all__ = ["CertificatePair", "ServerTls", "TlsSession", "read_pair", "server_tls"]
