"""The questions to a primary: a zone's SOA, the whole zone, or the changes since a serial."""

from __future__ import annotations

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

SOA, IXFR, AXFR = 6, 251, 252
MAX_UDP = 1232  # octets, announced for the answer to an SOA question


@dataclass(frozen=True, slots=True)
class TransferQuestion:
    """A question as it is sent in `wire`; `zone` is the zone's name on the wire, in lower case."""

    zone: bytes
    kind: int
    identifier: int
    wire: bytes
    key: dns.tsig.Key | None
    mac: bytes  # of the question itself, which its answer's signature covers

    @classmethod
    def make(
        cls,
        zone: str,
        kind: int,
        identifier: int,
        key: dns.tsig.Key | None,
        serial: int | None = None,
        *,
        edns: bool = False,
    ) -> TransferQuestion:
        """Return a question, signed if there is a key; for IXFR it has the `serial` held here (RFC 1995 section 3)."""
        name = dns.name.from_text(zone).canonicalize()
        message = dns.message.make_query(name, dns.rdatatype.RdataType.make(kind), id=identifier)
        message.flags &= ~dns.flags.RD
        if serial is not None:
            message.authority.append(dns.rrset.from_text(name, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
        if edns:
            message.use_edns(payload=MAX_UDP)
        if key is not None:
            message.use_tsig(key)
        return cls(name.to_wire() or b"\0", kind, identifier, message.to_wire(), key, message.mac or b"")
