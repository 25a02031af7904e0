"""NOTIFY (RFC 1996): the hint that a zone, or a signed list, has changed. It only triggers a poll."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig

from blockd.errors import FeedRefused
from blockd.feeds.transfer.keys import read_key
from blockd.settings import Feed, Tsig

MAX_RATE = 20  # messages processed in a second: a source address is easily forged, and a signature costs time
_QR, _OPCODE, _RD = 0x8000, 0x7800, 0x0100
_HEADER = struct.Struct(">6H")


@dataclass(frozen=True, slots=True)
class _Listened:
    """The conditions that a NOTIFY for one feed must meet."""

    feed: str
    zone: dns.name.Name
    hosts: frozenset[str]
    tsig: Tsig | None


class Notified:
    """Answers NOTIFY for the zones that `feeds` transfer, and for those that the config names for signed lists.

    Calls `tell` with a feed's name for each valid one. `clock` returns seconds that never go back.
    """

    def __init__(self, feeds: Sequence[Feed], tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._feeds = [listened for feed in feeds if (listened := _listened(feed)) is not None]
        self._hosts = {host for listened in self._feeds for host in listened.hosts}
        self._tell = tell
        self._clock = clock
        self._second = 0
        self._looked = 0

    def __bool__(self) -> bool:
        """Return whether any feed takes a NOTIFY."""
        return bool(self._feeds)

    def answer(self, packet: bytes, host: str) -> bytes | None:
        """Return the answer to a NOTIFY from `host`, REFUSED unless it may send it; None if it is to be ignored."""
        if host not in self._hosts:
            return _bare(packet, dns.rcode.REFUSED)
        second = int(self._clock())
        if second != self._second:
            self._second, self._looked = second, 0
        self._looked += 1
        if self._looked > MAX_RATE:
            return None
        return self._checked(packet, host)

    def _checked(self, packet: bytes, host: str) -> bytes:
        try:
            message = dns.message.from_wire(packet, keyring=self._keys(host))
        except (dns.tsig.BadTime, dns.tsig.BadSignature, dns.tsig.BadKey, dns.message.UnknownTSIGKey):
            return _bare(packet, dns.rcode.NOTAUTH)
        except (dns.exception.DNSException, ValueError):
            return _bare(packet, dns.rcode.FORMERR)
        if len(message.question) != 1 or message.question[0].rdtype != dns.rdatatype.SOA:
            return _bare(packet, dns.rcode.FORMERR)
        matching = [
            listened
            for listened in self._feeds
            if _is_for(listened, message.question[0], host) and _is_signed_for(listened, message)
        ]
        if not matching:
            return _bare(packet, dns.rcode.REFUSED)
        for listened in matching:
            self._tell(listened.feed)
        answer = dns.message.make_response(message)
        answer.set_opcode(dns.opcode.NOTIFY)
        answer.flags |= dns.flags.AA
        return answer.to_wire()

    def _keys(self, host: str) -> dict[dns.name.Name, dns.tsig.Key]:
        """Return the keys that this host may sign with, except those that cannot be read."""
        keys = {}
        for feed in self._feeds:
            if feed.tsig is not None and host in feed.hosts:
                try:
                    key = read_key(feed.tsig)
                except FeedRefused:
                    continue
                keys[key.name] = key
        return keys


def _listened(feed: Feed) -> _Listened | None:
    """Return the conditions for a NOTIFY for a feed; None if it takes none."""
    hint = feed.hinted_by
    if hint is None:
        return None
    return _Listened(feed.name, dns.name.from_text(hint.zone), frozenset(hint.sources), hint.tsig)


def _is_for(listened: _Listened, question: dns.rrset.RRset, host: str) -> bool:
    is_zone = question.rdclass == dns.rdataclass.IN and question.name == listened.zone
    return is_zone and host in listened.hosts


def _is_signed_for(listened: _Listened, message: dns.message.Message) -> bool:
    if listened.tsig is None:
        return True
    return message.had_tsig and message.keyname == dns.name.from_text(listened.tsig.name)


def _bare(packet: bytes, rcode: int) -> bytes:
    """Return an answer that is a header only."""
    identifier, flags = struct.unpack_from(">HH", packet)
    return _HEADER.pack(identifier, _QR | flags & (_OPCODE | _RD) | rcode, 0, 0, 0, 0)
