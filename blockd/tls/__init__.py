"""TLS for whoever serves it: certificates, contexts, sessions without sockets."""

from blockd.tls.choice import server_tls
from blockd.tls.pair import CertificatePair, read_pair
from blockd.tls.session import ServerTls, TlsSession
from blockd.tls.tickets import ForgetfulKeys, SharedKeys, TicketKeys

__all__ = [
    "CertificatePair",
    "ForgetfulKeys",
    "ServerTls",
    "SharedKeys",
    "TicketKeys",
    "TlsSession",
    "read_pair",
    "server_tls",
]
