"""Data of resource records, from the words of a zone file to their wire form.

Addresses and strings, which most local data are, are read here; everything else is left to dnspython.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from blockd.errors import BadName
from blockd.names import DomainName

_A, _TXT, _AAAA = 1, 16, 28
_MAX_STRING = 255  # octets, RFC 1035 section 3.3


@lru_cache(maxsize=1024)
def type_of(word: bytes) -> int | None:
    """Return the number of a record type, given its name or as `TYPE65280` (RFC 3597); None if there is none."""
    try:
        return int(dns.rdatatype.from_text(word.decode("ascii")))
    except (dns.exception.DNSException, ValueError):
        return None


def data_of(rtype: int, words: list[bytes], origin: bytes | None) -> bytes:
    """Return a record's data, uncompressed; relative names in it are below `origin`. Raises BadName("bad data")."""
    try:
        if words[:1] != [b"\\#"]:
            if rtype in (_A, _AAAA):
                [text] = words
                kind = ipaddress.IPv4Address if rtype == _A else ipaddress.IPv6Address
                if b"%" in text:
                    raise BadName("bad data")
                return kind(text.decode("ascii")).packed
            if rtype == _TXT and (found := _plain_strings(words)):
                return found
        return _parsed(rtype, b" ".join(words).decode("utf-8"), _origin(origin))
    except (dns.exception.DNSException, ValueError, LookupError, OverflowError) as error:
        raise BadName("bad data") from error


def _plain_strings(words: list[bytes]) -> bytes:
    """Return strings in wire form; empty if one needs closer reading."""
    data = []
    for word in words:
        text = word[1:-1] if word[:1] == b'"' else word
        if len(text) > _MAX_STRING or b"\\" in text or not text.isascii() or b'"' in text:
            return b""
        data.append(b"%c%b" % (len(text), text))
    return b"".join(data)


def _parsed(rtype: int, text: str, origin: dns.name.Name) -> bytes:
    kind = dns.rdatatype.RdataType.make(rtype)
    return dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin, relativize=False).to_wire() or b""


@lru_cache(maxsize=64)
def _origin(key: bytes | None) -> dns.name.Name:
    return dns.name.root if key is None else dns.name.Name([*DomainName(key).labels, b""])
