"""Messages of those who are no clients: a stranger gets one REFUSED at most, and primaries send NOTIFY."""

from __future__ import annotations

import struct

from blockd.dns import types
from blockd.metrics import Row, Transport
from blockd.names import MAX_KEY, MAX_LABEL
from blockd.resolver.clients import Clients
from blockd.resolver.edge.rates import STRANGERS
from blockd.resolver.edge.sending import Sending
from blockd.resolver.options import NotifyHandler
from blockd.resolver.query_context import Outcome

_HEADER = struct.Struct(">6H")
_OPT = struct.Struct(">BHHIH")
_MAX_ADDITIONAL = 2  # as in any question


class Outsiders:
    """Answers those who are no clients."""

    def __init__(self, clients: Clients, sending: Sending, row: Row) -> None:
        """Count in `row`; `sending` limits what is answered."""
        self._clients = clients
        self._sending = sending
        self._row = row

    def refuse(self, packet: bytes, host: str, transport: Transport) -> bytes | Outcome:
        """Answer a stranger, whatever it asks."""
        self._row.query(transport)
        refused = stranger_refusal(packet)
        if refused is None:
            return Outcome.SILENCE
        return self._sending.sent(refused, types.REFUSED, host, transport, kind=STRANGERS)

    def answer_notify(self, handler: NotifyHandler, packet: bytes, host: str, transport: Transport) -> bytes | Outcome:
        """Answer a NOTIFY, which comes from a primary and not from a client."""
        self._row.query(transport)
        answer = handler.answer(packet, host)
        if answer is None:
            return Outcome.SILENCE
        rcode = answer[3] & types.RCODE
        kind = STRANGERS if rcode and not self._clients.serves(host) else None
        return self._sending.sent(answer, rcode, host, transport, kind=kind)


def stranger_refusal(packet: bytes) -> bytes | None:
    """Return REFUSED with the question as it came, and an OPT record if its first additional record is one.

    It is never longer than the message. None for what is no question of one name, which gets no answer.
    """
    if len(packet) < types.HEADER_SIZE:
        return None
    identifier, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
    if flags & (types.QR | types.OPCODE) or questions != 1 or answers or authorities or additional > _MAX_ADDITIONAL:
        return None
    end = types.HEADER_SIZE
    while end < len(packet) and 0 < packet[end] <= MAX_LABEL and end - types.HEADER_SIZE + 1 + packet[end] <= MAX_KEY:
        end += 1 + packet[end]
    if end >= len(packet) or packet[end] or end + 5 > len(packet):
        return None
    end += 5
    opt = b""
    if additional and end + types.OPT_SIZE <= len(packet):
        root, kind, _, ttl, _ = _OPT.unpack_from(packet, end)
        if root == 0 and kind == types.OPT:
            opt = _OPT.pack(0, types.OPT, types.MAX_UDP, ttl & types.EDNS_DO, 0)
    flags = types.QR | flags & (types.RD | types.CD) | types.REFUSED
    return _HEADER.pack(identifier, flags, 1, 0, 0, 1 if opt else 0) + packet[types.HEADER_SIZE : end] + opt
