"""The data of records of known types: their fields, and the names in them.

`SHAPES` is the one list of them; the engine in C makes its table of it. Data of other types are any octets, which
contain no name that a pointer could lead out of (RFC 3597 section 4).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.resolver.reading.names import Names

COMPRESSED = "N"  # a name that anybody may compress (RFC 1035 section 3.3)
READ_COMPRESSED = "n"  # one that was compressed once, and must not be any longer (RFC 3597 section 4)
PLAIN = "u"  # one that must not be compressed, so that a client which does not know the type can copy it

# Each field is a digit (that many octets), a kind of name as above, or
# s a character-string, S one or more to the end, o none or one, k one that is not empty, t one of letters and digits,
# w octets behind their length in 16 bits, * any octets to the end, + one or more of them, U names to the end,
# b a bitmap of types (RFC 4034 section 4.1.2), p the parameters of SVCB (RFC 9460 section 2.2), a those of APL
# (RFC 3123 section 4), D C T F digests whose kind is the octet before (of DS, CDS, TLSA and SSHFP), z scheme, kind and
# digest of ZONEMD (RFC 8976 section 2.2), g r a gateway whose kind is the second octet (RFC 4025 section 2.5, RFC 8777
# section 4.2.3), H the head of HIP (RFC 8005 section 5), l all of LOC (RFC 1876 section 2).
SHAPES: dict[int, str] = {
    types.A: "4",
    types.NS: "N",
    3: "N",  # MD
    4: "N",  # MF
    types.CNAME: "N",
    types.SOA: "NN488",
    7: "N",  # MB
    8: "N",  # MG
    9: "N",  # MR
    11: "41*",  # WKS
    12: "N",  # PTR
    13: "ss",  # HINFO
    14: "NN",  # MINFO
    15: "2N",  # MX
    types.TXT: "S",
    17: "nn",  # RP
    18: "2n",  # AFSDB
    19: "s",  # X25
    20: "so",  # ISDN
    21: "2n",  # RT
    23: "n",  # NSAP-PTR
    types.SIG: "882n*",
    25: "4*",  # KEY
    26: "2nn",  # PX
    27: "sss",  # GPOS
    types.AAAA: "88",
    29: "l",  # LOC
    30: "n*",  # NXT
    33: "6n",  # SRV
    35: "4sssn",  # NAPTR
    36: "2u",  # KX
    37: "41*",  # CERT
    types.DNAME: "u",
    42: "a",  # APL
    types.DS: "4D",
    44: "2F",  # SSHFP
    45: "21g*",  # IPSECKEY
    types.RRSIG: "882u*",
    types.NSEC: "ub",
    48: "4*",  # DNSKEY
    types.NSEC3: "4skb",
    51: "4s",  # NSEC3PARAM
    52: "21T",  # TLSA
    53: "21T",  # SMIMEA
    55: "HU",  # HIP
    56: "S",  # NINFO
    57: "4*",  # RKEY
    59: "4C",  # CDS
    60: "4*",  # CDNSKEY
    62: "6b",  # CSYNC
    63: "4z",  # ZONEMD
    types.SVCB: "2up",
    types.HTTPS: "2up",
    66: "41u",  # DSYNC
    99: "S",  # SPF
    104: "28",  # NID
    105: "24",  # L32
    106: "28",  # L64
    107: "2u",  # LP
    108: "6",  # EUI48
    109: "8",  # EUI64
    249: "u4422ww",  # TKEY
    types.TSIG: "u62w22w",
    256: "4+",  # URI
    257: "1t*",  # CAA
    258: "S",  # AVC
    260: "2r",  # AMTRELAY
    261: "S",  # RESINFO
    262: "S",  # WALLET
    32768: "4D",  # TA
    32769: "4D",  # DLV
}
DIGEST_SIZES = {  # octets by kind; 0 for a kind that does not exist
    "D": {0: 0, 1: 20, 2: 32, 3: 32, 4: 48},
    "C": {0: 1, 1: 20, 2: 32, 3: 32, 4: 48},  # RFC 8078 section 4: "0 0 0 00" asks for deletion
    "T": {1: 32, 2: 64},
    "F": {1: 20, 2: 32},
}
_ZONE_DIGESTS = {1: 48, 2: 64}
_MIN_ZONE_DIGEST = 12  # octets, RFC 8976 section 2.2.4
_MANDATORY, _ALPN, _NO_DEFAULT_ALPN, _PORT, _ECH, _OHTTP, _DOCPATH = 0, 1, 2, 3, 5, 8, 10  # RFC 9460 section 14.3.2
_EQUATOR = 1 << 31
_NORTHERNMOST, _EASTERNMOST = 90 * 3_600_000, 180 * 3_600_000  # thousandths of an arc second


@dataclass(frozen=True, slots=True)
class NameInData:
    """A name in a record's data: where it begins and ends, its kind as in `SHAPES`, and its key."""

    start: int
    end: int
    kind: str
    key: bytes


def read_data(names: Names, qtype: int, start: int, end: int) -> tuple[NameInData, ...]:
    """Return the names in the data of a record; raises BadMessage if the data do not have their type's shape."""
    shape = SHAPES.get(qtype)
    if shape is None:
        return ()
    reader = _Reader(names, start, end)
    for field in shape:
        reader.read(field)
    if reader.at != end:
        raise BadMessage(types.SERVFAIL, f"the data of a record of type {qtype} are longer than its fields")
    return tuple(reader.found)


class _Reader:
    def __init__(self, names: Names, start: int, end: int) -> None:
        self.names = names
        self.message = names.message
        self.start, self.at, self.end = start, start, end
        self.found: list[NameInData] = []

    def read(self, field: str) -> None:
        if field.isdecimal():
            self.take(int(field))
        elif field in (COMPRESSED, READ_COMPRESSED, PLAIN):
            self._name(field)
        elif field in DIGEST_SIZES:
            self._digest(DIGEST_SIZES[field].get(self.message[self.at - 1]))
        else:
            _FIELDS[field](self)

    def take(self, count: int) -> bytes:
        behind = self.at + count
        self.need(behind <= self.end)
        octets = self.message[self.at : behind]
        self.at = behind
        return octets

    def need(self, condition: object) -> None:
        if not condition:
            raise BadMessage(types.SERVFAIL, "the data of a record do not have the shape of their type")

    def _name(self, kind: str) -> None:
        key, end = self.names.read(self.at)
        self.need(end <= self.end)
        self.need(kind != PLAIN or end - self.at == len(key) + 1)
        self.found.append(NameInData(self.at, end, kind, key))
        self.at = end

    def _long_string(self) -> None:
        self.take(int.from_bytes(self.take(2)))

    def _some_rest(self) -> None:
        self.need(self._rest())

    def _plain_names(self) -> None:
        while self.at < self.end:
            self._name(PLAIN)
        self.found.clear()  # as many as there are; nobody's addresses are looked for here

    def _rest(self) -> bytes:
        return self.take(self.end - self.at)

    def _string(self) -> bytes:
        return self.take(self.take(1)[0])

    def _key_string(self) -> None:
        self.need(self._string())

    def _strings(self) -> None:
        self._string()
        while self.at < self.end:
            self._string()

    def _optional_string(self) -> None:
        if self.at < self.end:
            self._string()

    def _tag(self) -> None:
        self.need(self._string().isalnum())

    def _digest(self, size: int | None) -> None:
        octets = self._rest()
        self.need(size is None or (size and len(octets) == size))

    def _zone_digest(self) -> None:
        scheme, kind = self.take(2)
        octets = self._rest()
        self.need(scheme and kind and len(octets) >= _MIN_ZONE_DIGEST)
        self.need(len(octets) == _ZONE_DIGESTS.get(kind, len(octets)))

    def _bitmap(self) -> None:
        last = -1
        while self.at < self.end:
            window, size = self.take(2)
            octets = self.take(size)
            self.need(window > last and 0 < size <= 32 and octets[-1])
            last = window

    def _gateway(self, mask: int = 0xFF) -> None:
        kind = self.message[self.start + 1] & mask
        self.need(kind <= 3)
        if kind == 3:
            self._name(PLAIN)
        else:
            self.take((0, 4, 16)[kind])

    def _host_identity(self) -> None:
        hit, _, high, low = self.take(4)
        self.take(hit + (high << 8 | low))

    def _prefixes(self) -> None:
        while self.at < self.end:
            head = self.take(4)
            family, prefix, size = int.from_bytes(head[:2]), head[2], head[3] & 0x7F
            octets = self.take(size)
            self.need(not octets or octets[-1])
            if family in (1, 2):
                most = 4 if family == 1 else 16
                self.need(prefix <= most * 8 and size <= most)

    def _location(self) -> None:
        octets = self.take(16)
        self.need(octets[0] == 0)
        self.need(all(octet == 0 or (0x10 <= octet < 0xA0 and octet & 15 <= 9) for octet in octets[1:4]))
        self.need(abs(int.from_bytes(octets[4:8]) - _EQUATOR) <= _NORTHERNMOST)
        self.need(abs(int.from_bytes(octets[8:12]) - _EQUATOR) <= _EASTERNMOST)

    def _parameters(self) -> None:
        last = -1
        mandatory: list[int] = []
        met = 0
        has_alpn = False
        while self.at < self.end:
            key, size = int.from_bytes(self.take(2)), int.from_bytes(self.take(2))
            value = self.take(size)
            self.need(key > last)
            last = key
            if met < len(mandatory) and mandatory[met] == key:
                met += 1
            if key == _MANDATORY:
                mandatory = [int.from_bytes(value[at : at + 2]) for at in range(0, size, 2)]
                self.need(size and size % 2 == 0 and mandatory[0])
                self.need(all(one < other for one, other in itertools.pairwise(mandatory)))
            elif key in (_ALPN, _DOCPATH):
                has_alpn = has_alpn or key == _ALPN
                self.need(size or key == _DOCPATH)
                self._check_list(value)
            elif key == _NO_DEFAULT_ALPN:
                self.need(size == 0 and has_alpn)
            elif key == _OHTTP:
                self.need(size == 0)
            elif key == _PORT:
                self.need(size == 2)
            elif key in (types.SVCB_IPV4HINT, types.SVCB_IPV6HINT):
                self.need(size and size % (4 if key == types.SVCB_IPV4HINT else 16) == 0)
            elif key == _ECH:
                self.need(size >= 6 and int.from_bytes(value[:2]) == size - 2)
        self.need(met == len(mandatory))

    def _check_list(self, value: bytes) -> None:
        """Check the list of strings, none empty, that is the value of a parameter."""
        at = 0
        while at < len(value):
            self.need(value[at])
            at += 1 + value[at]
        self.need(at == len(value))


_FIELDS: dict[str, Callable[[_Reader], object]] = {
    "s": _Reader._string,
    "S": _Reader._strings,
    "o": _Reader._optional_string,
    "k": _Reader._key_string,
    "t": _Reader._tag,
    "w": _Reader._long_string,
    "*": _Reader._rest,
    "+": _Reader._some_rest,
    "U": _Reader._plain_names,
    "b": _Reader._bitmap,
    "p": _Reader._parameters,
    "a": _Reader._prefixes,
    "z": _Reader._zone_digest,
    "g": _Reader._gateway,
    "r": lambda reader: reader._gateway(0x7F),
    "H": _Reader._host_identity,
    "l": _Reader._location,
}
