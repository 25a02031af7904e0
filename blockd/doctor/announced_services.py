"""What a server of this machine announces: its SVCB records, as a client asks for them."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.query

from blockd.doctor.handshake import PATIENCE, WILDCARDS
from blockd.settings import SocketAddress


def services_at(address: SocketAddress, owner: str) -> frozenset[bytes]:
    """Ask a server of this machine over TCP for the SVCB records of a name; return their data.

    Raises OSError, or ValueError if the answer cannot be read.
    """
    host = WILDCARDS.get(address.host, address.host)
    try:
        answer = dns.query.tcp(dns.message.make_query(owner, "SVCB"), host, PATIENCE, address.port)
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from error
    return frozenset(data.to_wire() or b"" for rrset in answer.answer for data in rrset)
