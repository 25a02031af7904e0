"""What a server of this machine announces: its SVCB records, as a client asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.message
import dns.query

from blockd.doctor.handshake import PATIENCE, connected
from blockd.names import Network
from blockd.settings import SocketAddress


def services_at(address: SocketAddress, owner: str, fronts: Sequence[Network] = ()) -> frozenset[bytes]:
    """Ask a server of this machine over TCP for the SVCB records of a name; return their data.

    `fronts` are networks from which connections must begin with a header of the PROXY protocol.

    Raises OSError, or ValueError if the answer cannot be read.
    """
    try:
        with connected(address, fronts) as plain:
            plain.setblocking(False)
            answer = dns.query.tcp(dns.message.make_query(owner, "SVCB"), address.host, PATIENCE, sock=plain)
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from error
    return frozenset(data.to_wire() or b"" for rrset in answer.answer for data in rrset)
