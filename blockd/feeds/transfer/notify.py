"""NOTIFY (RFC 1996): the hint that a zone, or a signed list, has changed. It only triggers a poll."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

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
from blockd.feeds.transfer.message_reader import key_name_of
from blockd.feeds.transfer.records import name_at
from blockd.settings import Feed, Tsig

MAX_RATE = 20  # messages processed in a second: a source address is easily forged, and a signature costs time
MAX_STRANGERS = 5  # messages of others than primaries that are looked at in a second, to say what is wrong with them
REREAD = 1.0  # seconds between two readings of the addresses of primaries by name
_QR, _OPCODE, _RD = 0x8000, 0x7800, 0x0100
_HEADER = struct.Struct(">6H")


@dataclass(frozen=True, slots=True)
class RefusedNotify:
    """NOTIFY messages that were not heeded: the feed, empty if none takes the zone, and a cause of `CAUSES`.

    `count` is how many there were since the last one was told; `zone` and `key` are names as text, empty if there is
    none.
    """

    feed: str
    cause: str
    host: str
    zone: str = ""
    key: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Listened:
    """The conditions that a NOTIFY for one feed must meet."""

    feed: Feed
    zone: dns.name.Name
    hosts: frozenset[str]
    tsig: Tsig | None

    @property
    def key_name(self) -> dns.name.Name | None:
        return None if self.tsig is None else dns.name.from_text(self.tsig.name)


class Notified:
    """Answers NOTIFY for the zones that `feeds` transfer, and for those that the config names for signed lists.

    Calls `tell` with a feed's name for each valid one, and `refuse` for others, some at once if there are many.
    `clock` returns seconds that never go back; `remembered` returns the addresses of a feed's primaries by name.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        tell: Callable[[str], None],
        clock: Callable[[], float],
        *,
        refuse: Callable[[RefusedNotify], None] = lambda _: None,
        remembered: Callable[[Feed], Iterable[str]] = lambda _: (),
    ) -> None:
        self._configured = [listened for feed in feeds if (listened := _listened(feed)) is not None]
        self._feeds = self._configured
        self._tell = tell
        self._refuse = refuse
        self._clock = clock
        self._remembered = remembered
        self._reread = 0.0  # when addresses may be read again
        self._second = 0
        self._looked = [0, 0]  # at messages of primaries and of others in this second
        self._untold = 0

    def __bool__(self) -> bool:
        """Return whether any feed takes a NOTIFY."""
        return bool(self._configured)

    def answer(self, packet: bytes, host: str) -> bytes | None:
        """Return the answer to a NOTIFY from `host`, REFUSED unless it may send it; None if it is to be ignored."""
        is_stranger = not self.expects(host)
        second = int(self._clock())
        if second != self._second:
            self._second, self._looked = second, [0, 0]
        self._looked[is_stranger] += 1
        if self._looked[is_stranger] > (MAX_STRANGERS if is_stranger else MAX_RATE):
            self._untold += 1
            return _bare(packet, dns.rcode.REFUSED) if is_stranger else None
        return self._checked(packet, host)

    def expects(self, host: str) -> bool:
        """Return whether a host is one of the primaries; addresses of names may have changed meanwhile."""
        now = self._clock()
        if now >= self._reread:
            self._reread = now + REREAD
            self._feeds = [
                replace(one, hosts=one.hosts | frozenset(self._remembered(one.feed))) for one in self._configured
            ]
        return any(host in listened.hosts for listened in self._feeds)

    def _checked(self, packet: bytes, host: str) -> bytes:
        zone, cause = dns.name.empty, "format"
        try:
            wire, position = name_at(packet, _HEADER.size)
            zone = dns.name.from_wire(wire, 0)[0] if position >= 0 else zone
            of_zone = [listened for listened in self._feeds if listened.zone == zone]
            allowed = [listened for listened in of_zone if host in listened.hosts]
            key = key_name_of(packet)
            if not allowed:
                self._note("address" if of_zone else "zone", of_zone, host, zone, key)
                return _bare(packet, dns.rcode.REFUSED)
            cause = "no key" if all(listened.tsig is None for listened in allowed) else "other key"
            message = dns.message.from_wire(packet, keyring=self._keys(host))
        except (FeedRefused, dns.exception.DNSException, ValueError) as error:
            if isinstance(error, dns.tsig.BadTime):
                cause = "clock"
            elif isinstance(error, dns.tsig.BadSignature | dns.tsig.BadKey):
                cause = "signature"
            elif not isinstance(error, dns.message.UnknownTSIGKey):
                self._note("format", [one for one in self._feeds if one.zone == zone], host, zone, None)
                return _bare(packet, dns.rcode.FORMERR)
            self._note(cause, allowed, host, zone, key)
            return _bare(packet, dns.rcode.NOTAUTH)
        if len(message.question) != 1 or message.question[0].rdtype != dns.rdatatype.SOA:
            self._note("format", allowed, host, zone, key)
            return _bare(packet, dns.rcode.FORMERR)
        matching = [
            listened
            for listened in allowed
            if message.question[0].rdclass == dns.rdataclass.IN
            and (listened.tsig is None or (message.had_tsig and message.keyname == listened.key_name))
        ]
        if not matching:
            self._note("other key" if message.had_tsig else "unsigned", allowed, host, zone, key)
            return _bare(packet, dns.rcode.REFUSED)
        for listened in matching:
            self._tell(listened.feed.name)
        answer = dns.message.make_response(message)
        answer.set_opcode(dns.opcode.NOTIFY)
        answer.flags |= dns.flags.AA
        return answer.to_wire()

    def _note(
        self, cause: str, feeds: Sequence[_Listened], host: str, zone: dns.name.Name, key: dns.name.Name | None
    ) -> None:
        """Tell of a refusal, and of those that were not looked at since the last one."""
        feed = feeds[0].feed.name if feeds else ""
        named = "" if key is None else key.to_text(omit_final_dot=True)
        count, self._untold = 1 + self._untold, 0
        self._refuse(RefusedNotify(feed, cause, host, zone.to_text(omit_final_dot=True), named, count))

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
    return _Listened(feed, dns.name.from_text(hint.zone), frozenset(hint.sources), hint.tsig)


def _bare(packet: bytes, rcode: int) -> bytes:
    """Return an answer that is a header only."""
    identifier, flags = struct.unpack_from(">HH", packet)
    return _HEADER.pack(identifier, _QR | flags & (_OPCODE | _RD) | rcode, 0, 0, 0, 0)
