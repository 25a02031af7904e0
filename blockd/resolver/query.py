"""A question as a client sent it, parsed once. Everything in it that blockd does not understand is refused here."""

from __future__ import annotations

import contextlib
import struct

from blockd.dns import types
from blockd.dns.wire import skip_name
from blockd.errors import BadMessage
from blockd.metrics import Transport
from blockd.names import MAX_KEY, MAX_LABEL
from blockd.resolver.forwarding.edns import COOKIE_SIZES

MAX_DATAGRAM = 1472  # octets of a question over UDP; a longer packet is cut when received
MAX_OPTIONS = 64  # of EDNS in a question: clients send a few, and each costs time here
MAX_SKIPPED = 8  # records of a malformed message that are looked through for its OPT record
MAX_ADDITIONAL = 2  # records: OPT and a signature (TSIG or SIG(0)); a query has no others

_HEADER = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")
_MARKED = (types.COOKIE_OPTION.to_bytes(2), types.OWN_OPTION.to_bytes(2))
_KEEPALIVE = types.KEEPALIVE_OPTION.to_bytes(2)
_NSID = types.NSID_OPTION.to_bytes(2)
_PADDING = types.PADDING_OPTION.to_bytes(2)
_EMPTY_ERROR = types.EDE_OPTION.to_bytes(2) + b"\0\2" + types.EDE_OTHER.to_bytes(2)  # an option, whole
_ENCRYPTED = (Transport.DOT, Transport.DOH)  # to a server that the client has authenticated, if it wants to
_COOKIE_SIZE = 12  # octets of the option's head and the client cookie
_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))


class Query:
    """One question.

    `question` is the question section as received, case kept; `key` its name's key (`blockd.names`). `limit` is the
    longest answer in octets that it allows. `cookie` is the client cookie, or what marks a question of blockd's own, if
    its first option has one, else empty; `sent_cookie` the content of its first COOKIE option. `keeps_alive` says that
    it has an option by which a client asks how long its connection may be idle, `asks_nsid` one that asks which server
    answers. Over an encrypted transport, and never over another, `pads` says that its client pads, and so is answered
    (RFC 8467 section 4), and `explains` that the client reads structured errors (`orders.structured`). `reply` are the
    EDNS options that its answer has beside errors and padding, `is_known` says that the server cookie in it is one of
    ours; both are set by whoever answers. Octets behind its last record are ignored, as BIND and Unbound do.
    """

    __slots__ = (
        "asks_nsid",
        "cookie",
        "do",
        "edns",
        "explains",
        "flags",
        "id",
        "is_known",
        "keeps_alive",
        "key",
        "limit",
        "pads",
        "qclass",
        "qtype",
        "question",
        "reply",
        "sent_cookie",
        "transport",
        "version",
    )

    def __init__(self, packet: bytes, transport: Transport, client_option: int = 0) -> None:
        """Parse a message; raises BadMessage with the rcode to answer, None for no answer (RFC 1035, 6891, 9619).

        `client_option` is the code of the EDNS option that asks for structured errors, 0 if there is none.
        """
        if len(packet) < types.HEADER_SIZE:
            raise BadMessage(None, "it is shorter than a header")
        self.id, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
        if flags & types.QR:
            raise BadMessage(None, "it is an answer")
        if flags & types.OPCODE:
            raise BadMessage(types.NOTIMP, "its opcode is not QUERY")
        if questions > 1 or answers or authorities or additional > MAX_ADDITIONAL:
            raise BadMessage(types.FORMERR, "its section counts are not those of a query")
        self.flags = flags
        self.transport = transport
        end = types.HEADER_SIZE
        self.key = self.question = b""
        self.qtype = self.qclass = 0
        if questions:
            end = self._read_question(packet)
        self.edns = self.do = self.keeps_alive = self.is_known = False
        self.asks_nsid = self.pads = self.explains = False
        self.version = 0
        self.cookie = self.sent_cookie = self.reply = b""
        payload = self._read_additional(packet, end, additional, client_option)
        if transport not in _ENCRYPTED:
            self.pads = self.explains = False
        if not questions and not self.sent_cookie:
            raise BadMessage(types.FORMERR, "it asks for nothing, not even a cookie")  # RFC 7873 section 5.4
        if transport is Transport.UDP:
            self.limit = min(max(payload, types.MIN_UDP), types.MAX_UDP)
        else:
            self.limit = types.MAX_TCP

    def _read_question(self, packet: bytes) -> int:
        """Read the question section, and return where it ends."""
        end, labels = _labels(packet)
        if end + 4 > len(packet):
            raise BadMessage(types.FORMERR, "it ends within the question")
        labels.reverse()
        self.key = b"".join(labels).translate(_FOLD)
        self.question = packet[types.HEADER_SIZE : end + 4]
        self.qtype = packet[end] << 8 | packet[end + 1]
        self.qclass = packet[end + 2] << 8 | packet[end + 3]
        return end + 4

    def _read_additional(self, packet: bytes, position: int, count: int, client_option: int) -> int:
        """Read the additional records, note the OPT, and return the payload size that it announces."""
        payload = types.MIN_UDP
        for _ in range(count):
            root = position < len(packet) and packet[position] == 0
            position = skip_name(packet, position)
            if position + _RECORD.size > len(packet):
                raise BadMessage(types.FORMERR, "it ends within a record")
            kind, klass, ttl, size = _RECORD.unpack_from(packet, position)
            position += _RECORD.size + size
            if kind == types.OPT:
                if self.edns or not root:
                    raise BadMessage(types.FORMERR, "it has two OPT records, or one that is not the root's")
                self.edns = True
                self.version = ttl >> 16 & 0xFF
                self.do = bool(ttl & types.EDNS_DO)
                payload = klass
                data = packet[position - size : position]
                if not self.version:
                    self._read_options(data, client_option)
                if size >= _COOKIE_SIZE and data[:2] in _MARKED:
                    self.cookie = data[4:_COOKIE_SIZE]
        if position > len(packet):
            raise BadMessage(types.FORMERR, "it ends within a record")
        return payload

    def _read_options(self, options: bytes, client_option: int) -> None:
        """Note the EDNS options that are for this hop; raises BadMessage if one does not end where the record does.

        More than MAX_OPTIONS are not read, and count as malformed. RFC 7873 section 5.2 has FORMERR for sizes that no
        cookie has, and further COOKIE options ignored. RFC 7828 section 3.2.1 has a client's option empty, and so is
        the one that asks for structured errors, or it is not that; earlier drafts had an empty error in its place.
        """
        asking = client_option.to_bytes(2) + b"\0\0" if client_option else _EMPTY_ERROR
        position, end, has_cookie, left = 0, len(options), False, MAX_OPTIONS
        while position < end:
            code = options[position : position + 2]
            behind = position + 4 + int.from_bytes(options[position + 2 : position + 4])
            left -= 1
            is_cookie = not has_cookie and code == _MARKED[0]
            if behind > end or left < 0 or (is_cookie and behind - position - 4 not in COOKIE_SIZES):
                raise BadMessage(types.FORMERR, "an EDNS option is malformed")
            if is_cookie:
                has_cookie = True
                self.sent_cookie = options[position + 4 : behind]
            elif code == _KEEPALIVE and behind == position + 4:
                self.keeps_alive = True
            elif code == _NSID:
                self.asks_nsid = True
            elif code == _PADDING:
                self.pads = True
            if options[position:behind] in (asking, _EMPTY_ERROR):
                self.explains = True
            position = behind


def type_rcode(qtype: int) -> int:
    """Return NOERROR if names may be asked for a type, else the rcode that such a question is answered with.

    FORMERR for what is no type of records (RFC 6895 section 3.1, RFC 9824 section 3.5), which includes OPT, TSIG and
    TKEY, and for the obsolete MAILA and MAILB; REFUSED for transfers, which a resolver does not serve.
    """
    if qtype in (types.IXFR, types.AXFR):
        return types.REFUSED
    if types.FIRST_META <= qtype < types.ANY or qtype in (0, types.OPT):
        return types.FORMERR
    return types.NOERROR


def is_notify(packet: bytes) -> bool:
    """Return whether a message is a NOTIFY request."""
    if len(packet) < types.HEADER_SIZE:
        return False
    return int.from_bytes(packet[2:4]) & (types.QR | types.OPCODE) == types.NOTIFY << types.OPCODE_SHIFT


def refusal(packet: bytes, rcode: int) -> bytes:
    """Return what answers a message that cannot be answered as a question.

    It has the question, and an OPT record for the message's own (RFC 6891 section 6.1.1), as far as these can be read.
    """
    identifier, flags, questions, *counts = _HEADER.unpack_from(packet)
    flags = types.QR | flags & (types.OPCODE | types.RD) | rcode
    question = opt = b""
    end = types.HEADER_SIZE
    with contextlib.suppress(BadMessage):
        if questions == 1:
            end = _labels(packet)[0] + 4
            if end <= len(packet) and not flags & types.OPCODE:  # another opcode's may have another shape
                question = packet[types.HEADER_SIZE : end]
        if questions <= 1:
            opt = _reply_opt(packet, end, sum(counts[:2]), counts[2])
    return _HEADER.pack(identifier, flags, 1 if question else 0, 0, 0, 1 if opt else 0) + question + opt


def _reply_opt(packet: bytes, position: int, before: int, additional: int) -> bytes:
    """Return the OPT record that answers a message's own; empty without one, and if its first records have none.

    `before` is how many records precede the additional section.
    """
    for number in range(min(before + additional, MAX_SKIPPED)):
        start, position = position, skip_name(packet, position)
        if position + _RECORD.size > len(packet):
            break
        kind, _, ttl, size = _RECORD.unpack_from(packet, position)
        position += _RECORD.size + size
        if kind == types.OPT and packet[start] == 0 and number >= before and position <= len(packet):
            return b"\0" + _RECORD.pack(types.OPT, types.MAX_UDP, ttl & types.EDNS_DO, 0)
    return b""


def _labels(packet: bytes) -> tuple[int, list[bytes]]:
    """Read the question's name; return where it ends, and its labels with their length octets."""
    labels: list[bytes] = []
    position = types.HEADER_SIZE
    size = len(packet)
    while position < size:
        length = packet[position]
        if length == 0:
            return position + 1, labels
        if length > MAX_LABEL:
            raise BadMessage(types.FORMERR, "the question's name has a pointer or a label of unknown kind")
        end = position + 1 + length
        if end - types.HEADER_SIZE > MAX_KEY:
            raise BadMessage(types.FORMERR, "the question's name is over 255 octets")
        labels.append(packet[position:end])
        position = end
    raise BadMessage(types.FORMERR, "it ends within the question's name")
