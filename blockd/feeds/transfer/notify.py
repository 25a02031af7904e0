"""NOTIFY (RFC 1996): a primary says that its zone has changed. It is a hint to ask, and never more than that."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

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
from blockd.settings import AnyFeed, TransferFeed

MAX_RATE = 20  # messages looked at in a second: a source address is easily forged, and a signature costs time
_NOTIFY = 4 << 11  # the opcode in its place among the flags
_QR, _OPCODE, _RD = 0x8000, 0x7800, 0x0100
_HEADER = struct.Struct(">6H")


def is_notify(packet: bytes) -> bool:
    """Whether a message is a NOTIFY, and not the answer to one."""
    return len(packet) >= _HEADER.size and packet[2] & (_QR | _OPCODE) >> 8 == _NOTIFY >> 8


class Notified:
    """Answers NOTIFY for the zones that `feeds` transfer, and calls `tell` with a feed's name for each that counts.

    `clock` gives seconds that never go back.
    """

    def __init__(self, feeds: Sequence[AnyFeed], tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._feeds = [feed for feed in feeds if isinstance(feed, TransferFeed)]
        self._hosts = {primary.host for feed in self._feeds for primary in feed.primary}
        self._tell = tell
        self._clock = clock
        self._second = 0
        self._looked = 0

    def __bool__(self) -> bool:
        """Whether there is a zone that a NOTIFY may be for."""
        return bool(self._feeds)

    def answer(self, packet: bytes, host: str) -> bytes | None:
        """Give the answer to a NOTIFY from `host`, None for silence: REFUSED to all but a zone's own primaries."""
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
        feed = self._feed(message.question[0], host)
        if feed is None:
            return _bare(packet, dns.rcode.REFUSED)
        if feed.tsig is not None and (message.keyname != dns.name.from_text(feed.tsig.name) or not message.had_tsig):
            return _bare(packet, dns.rcode.REFUSED)
        self._tell(feed.name)
        answer = dns.message.make_response(message)
        answer.set_opcode(dns.opcode.NOTIFY)
        answer.flags |= dns.flags.AA
        return answer.to_wire()

    def _keys(self, host: str) -> dict[dns.name.Name, dns.tsig.Key]:
        """Give the keys that this host may sign with; one that cannot be read is none."""
        keys = {}
        for feed in self._feeds:
            if feed.tsig is not None and any(primary.host == host for primary in feed.primary):
                try:
                    key = read_key(feed.tsig)
                except FeedRefused:
                    continue
                keys[key.name] = key
        return keys

    def _feed(self, question: dns.rrset.RRset, host: str) -> TransferFeed | None:
        if question.rdclass != dns.rdataclass.IN:
            return None
        for feed in self._feeds:
            if question.name == dns.name.from_text(feed.zone) and any(p.host == host for p in feed.primary):
                return feed
        return None


def _bare(packet: bytes, rcode: int) -> bytes:
    """Answer with a header alone."""
    identifier, flags = struct.unpack_from(">HH", packet)
    return _HEADER.pack(identifier, _QR | flags & (_OPCODE | _RD) | rcode, 0, 0, 0, 0)
