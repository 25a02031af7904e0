"""Which server of several has answered, for support: `id.server` and `hostname.bind` in class CHAOS (RFC 4892).

`version.bind` and `version.server` are refused like all else in that class: which program runs here, and which version,
is nobody's business who asks.
"""

from __future__ import annotations

from blockd.dns import types
from blockd.names import DomainName
from blockd.resolver.answers import answer, authoritative
from blockd.resolver.query import Query

NAMES = frozenset(DomainName.from_text(name).key for name in ("id.server", "hostname.bind"))

_RECORD = b"\xc0\x0c" + types.TXT.to_bytes(2) + types.CLASS_CHAOS.to_bytes(2) + bytes(4)  # nobody is to keep it


def asks_for_server(query: Query) -> bool:
    """Return whether a question is for the server's identity."""
    return query.qclass == types.CLASS_CHAOS and query.qtype == types.TXT and query.key in NAMES


def server_answer(query: Query, server_id: bytes) -> bytes:
    """Return the answer to it; `server_id` has at most 255 octets, as a character-string has (RFC 1035 section 3.3)."""
    data = bytes((len(server_id),)) + server_id
    return authoritative(answer(query, counts=(1, 0, 0), records=_RECORD + len(data).to_bytes(2) + data))
