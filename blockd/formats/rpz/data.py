# cython: annotation_typing=False
r"""Data of resource records, from the words of a zone file to their wire form.

Addresses, strings and names, which most local data are, and data written as `\# length hex` are read here; everything
else is left to dnspython.
"""

from __future__ import annotations

import socket
from binascii import unhexlify
from collections.abc import Callable
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from blockd.errors import BadName
from blockd.formats.rpz.tokens import name_wire, string_wire
from blockd.names import DomainName, key_from_wire

_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _SRV, _DNAME = 1, 2, 5, 6, 12, 15, 16, 28, 33, 39
_GENERIC = b"\\#"  # RFC 3597 section 5
_MAX_SECONDS = 0x7FFFFFFF
_SIZES = {_A: 4, _AAAA: 16}  # octets of data
_NUMBERS = {_NS: 0, _CNAME: 0, _PTR: 0, _DNAME: 0, _MX: 1, _SRV: 3}  # of 16 bits each, before the name that is the rest
_MAX_TYPE = 0xFFFF
_TYPES = {
    name.encode(): int(kind)
    for text, kind in dns.rdatatype.RdataType.__members__.items()
    for name in (text, text.replace("_", "-"))
}
_KNOWN = frozenset(_TYPES.values())


def type_of(word: bytes) -> int | None:
    """Return the number of a record type, given its name or as `TYPE65280` (RFC 3597); None if there is none."""
    upper = word.upper()
    known = _TYPES.get(upper)
    if known is None and upper[:4] == b"TYPE" and upper[4:].isdigit():
        known = int(upper[4:])
    return known if known is not None and known <= _MAX_TYPE else None


def plain_data(rtype: int, words: list[bytes], origin: bytes | None) -> bytes | None:
    """Return a record's data, uncompressed; relative names in it are below `origin`. None if only `parsed_data` can.

    Raises BadName("bad data").
    """
    try:
        if words and words[0] == _GENERIC:
            return _generic(rtype, words)
        read = _READ.get(rtype)
        if read is not None:
            return read(rtype, words, origin)
    except (BadName, ValueError, OSError, OverflowError) as error:
        raise BadName("bad data") from error
    if _is_unknown(rtype):
        raise BadName("bad data")
    return None


def parsed_data(rtype: int, words: list[bytes], origin: bytes | None) -> bytes:
    """Return the data of any record, uncompressed, in twenty times the time of `plain_data`.

    Raises BadName("bad data").
    """
    kind = dns.rdatatype.RdataType.make(rtype)
    try:
        text = b" ".join(words).decode("utf-8")
        data = dns.rdata.from_text(dns.rdataclass.IN, kind, text, _origin(origin), relativize=False).to_wire()
    except (dns.exception.DNSException, ValueError, LookupError, OverflowError) as error:
        raise BadName("bad data") from error
    return data or b""


def _address(rtype: int, words: list[bytes], _: bytes | None) -> bytes | None:
    [text] = words
    if b"%" in text or not text.isascii():
        raise BadName("bad data")
    return socket.inet_pton(socket.AF_INET if rtype == _A else socket.AF_INET6, text.decode("ascii"))


def _strings(_: int, words: list[bytes], __: bytes | None) -> bytes | None:
    if not words:
        raise BadName("bad data")
    for word in words:
        if not word.isascii():
            word.decode("utf-8")
    return b"".join(map(string_wire, words))


def _name(rtype: int, words: list[bytes], origin: bytes | None) -> bytes | None:
    """Return numbers of 16 bits and a name; None if a word needs closer reading."""
    *numbers, text = words
    if len(numbers) != _NUMBERS[rtype] or text[:1] == b'"':
        raise BadName("bad data")
    if not text.isascii():
        return None
    data = b""
    for number in numbers:
        if not number.isdigit():
            if b"\\" in number:
                return None
            raise BadName("bad data")
        data += int(number).to_bytes(2)
    return data + name_wire(text, origin_wire(origin))


def _soa(_: int, words: list[bytes], origin: bytes | None) -> bytes | None:
    """Return the data of a zone's SOA record with plain numbers; None if a word needs closer reading."""
    first, second, *numbers = words
    if len(numbers) != 5:
        raise BadName("bad data")
    if not (first.isascii() and second.isascii() and all(number.isdigit() for number in numbers)):
        return None
    values = list(map(int, numbers))
    if max(values) > _MAX_SECONDS or b'"' in (first[:1], second[:1]):
        return None
    above = origin_wire(origin)
    return b"".join((name_wire(first, above), name_wire(second, above), *(value.to_bytes(4) for value in values)))


_READ: dict[int, Callable[[int, list[bytes], bytes | None], bytes | None]] = {
    **dict.fromkeys(_SIZES, _address),
    **dict.fromkeys(_NUMBERS, _name),
    _TXT: _strings,
    _SOA: _soa,
}


def _generic(rtype: int, words: list[bytes]) -> bytes | None:
    r"""Return data written as `\# length hex`; None if it needs closer reading."""
    digits = b"".join(words[2:])
    if len(words) < 2 or not words[1].isdigit() or not (digits.isalnum() or not digits):
        return None
    size = _SIZES.get(rtype)
    before = _NUMBERS.get(rtype)
    if size is None and before is None and not _is_unknown(rtype):
        return None
    data = unhexlify(digits)
    if len(data) != int(words[1]) or (size is not None and len(data) != size):
        raise BadName("bad data")
    if before is not None:
        key_from_wire(data[2 * before :])
    return data


@lru_cache(maxsize=1024)
def _is_unknown(rtype: int) -> bool:
    """Return whether nothing is known of the data of a type."""
    if rtype not in _KNOWN:
        return True
    kind = dns.rdatatype.RdataType.make(rtype)
    found = dns.rdata.get_rdata_class(dns.rdataclass.IN, kind)  # type: ignore[no-untyped-call]
    return found is dns.rdata.GenericRdata


@lru_cache(maxsize=64)
def _origin(key: bytes | None) -> dns.name.Name:
    return dns.name.root if key is None else dns.name.Name([*DomainName(key).labels, b""])


@lru_cache(maxsize=64)
def origin_wire(key: bytes | None) -> bytes:
    """Return the wire form of an origin, given its key; it is the root if there is none."""
    return DomainName(key or b"").wire
