# cython: annotation_typing=False
"""A response policy zone as a zone file (RFC 1035 section 5.1): from its text to the records of its rules.

Almost every line of a published zone is a complete CNAME record, which one expression matches. All others are parsed
word by word.
"""

from __future__ import annotations

import re

from blockd.errors import BadName
from blockd.formats.line import MAX_LINE
from blockd.formats.rpz.data import origin_wire, parsed_data, plain_data, type_of
from blockd.formats.rpz.record_text import MAX_TINY, TINY, RecordText, typed_words
from blockd.formats.rpz.rules import CNAME, NOT_LOCAL, SOA, RpzRules
from blockd.formats.rpz.sorted_rules import MAX_ANSWERS
from blockd.formats.rpz.tokens import name_key, name_wire, ttl_of
from blockd.names import MAX_LABEL, DomainName
from blockd.orders.stored import MAX_RECORDS

MAX_TARGETS = 4_096  # CNAME targets whose data are cached; a zone uses a few
MAX_LONG = MAX_ANSWERS * MAX_RECORDS  # different data that take long to parse: more than can be in force

PLAIN = re.compile(
    rb"([A-Za-z0-9_.*-]{1,253})[ \t]+(?:[0-9]{1,9}[ \t]+)?(?:IN[ \t]+)?CNAME[ \t]+([A-Za-z0-9_.*-]{1,254})"
    rb"[ \t\r]*(?:;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_LENGTH = {length: bytes((length,)) for length in range(1, MAX_LABEL + 1)}
_BLANKS = b" \t"
_DIRECTIVES = {b"$INCLUDE": "$INCLUDE is not followed", b"$GENERATE": "$GENERATE is not expanded"}


class ZoneText(RecordText):
    """Reads one zone's text into `rules`, and counts lines and what is rejected in their report.

    `zone` is the zone's name as a key; if None, it is the owner of the first record if that is the SOA, else the
    origin. `origin` is that of relative names before any $ORIGIN; if None, it is the zone.
    """

    def __init__(self, rules: RpzRules, zone: bytes | None = None, origin: bytes | None = None) -> None:
        super().__init__(rules.rejects)
        self._rules = rules
        self._zone = zone
        self._origin: bytes | None = (zone or b"") if origin is None else origin
        self._below: bytes | None = None  # the origin relative to the zone, if it is in it
        self._ttl: int | None = None
        self._last_ttl = 0
        self._owner: bytes | None = None  # relative to the zone
        self._targets: dict[bytes, bytes] = {}
        self._small: dict[bytes, tuple[bytes, int, int | None, bytes]] = {}  # tiny lines that are records
        self._long: dict[tuple[int, tuple[bytes, ...]], bytes] = {}  # data that took long
        self._long_count = 0
        # Tiny records that were rejected: why, whether they leave the owner as it is, and else the owner behind them.
        self._tiny: dict[bytes, tuple[str, bool, bytes | None]] = {}
        self._origin_is_known = zone is not None  # else it is a guess
        if zone is not None:
            self._settle()

    def take_plain(self, line: bytes, number: int) -> bool:
        """Take a line that is plainly an owner and a CNAME; return whether it was."""
        if len(line) <= TINY:  # the shortest line that is plain has one octet more
            return self.take_known(line, number, line)
        match = PLAIN.fullmatch(line)
        if match is None or self._below is None or (len(line) > MAX_LINE and b";" in line):
            return False
        owner, target = match.groups()
        try:
            data = self._targets.get(target) or self._target(target)
            if owner[-1:] == b".":
                key = _plain_key(owner[:-1])
                zone = self._zone or b""
                if not key.startswith(zone):
                    return False
                key = key[len(zone) :]
            else:
                key = self._below + _plain_key(owner)
        except (KeyError, BadName):
            return False
        if len(key) > 250:
            return False
        self._owner = key
        self._rules.add(key, CNAME, 0, data, number, line)
        return True

    def take_known(self, text: bytes, number: int, shown: bytes) -> bool:
        """Take or reject a tiny record as it was before; return whether it is known."""
        known = self._tiny.get(self._known_by(text) if text[0] in _BLANKS else text)
        if known is None:
            record = self._small.get(text)
            if record is None:
                return False
            self._add(*record, number, shown)
            return True
        reason, keeps_owner, owner = known
        if not keeps_owner:
            self._owner = owner
        self._rejects.add(reason, number, shown)
        return True

    def note_rejected(self, text: bytes, reason: str, *, was_taken: bool) -> None:
        """Remember why a tiny record is rejected, and what it leaves as the owner."""
        if self._zone is not None and len(self._tiny) < MAX_TINY:
            keeps_owner = not was_taken or self._is_blank or self._words[0][:1] == b"$"
            self._tiny[self._known_by(text) if text[0] in _BLANKS else text] = reason, keeps_owner, self._owner

    def _known_by(self, line: bytes) -> bytes:
        """Return what a line that begins with a blank is known by: the line, and what there is of an owner."""
        if self._owner is None:
            return b"\n" + line
        return line if self._owner else b"\n\n" + line

    def _target(self, text: bytes) -> bytes:
        """Return the wire form of a target's name; raises BadName."""
        if self._origin is None or b"\\" in text:
            data = DomainName(name_key(text, self._origin)).wire
        else:
            data = name_wire(text.lower(), origin_wire(self._origin))
        if len(self._targets) < MAX_TARGETS:
            self._targets[text] = data
        return data

    def take(self, words: list[bytes], number: int, shown: bytes, *, is_blank: bool) -> None:
        """Take a whole record or directive; raises BadName if it is rejected."""
        if not is_blank and words[0][:1] == b"$":
            self._direct(words)
            return
        owner: bytes | None = self._owner
        if not is_blank:
            self._owner = None  # what follows without an owner belongs to this one, or to nothing
            owner = name_key(words[0], self._origin)
            words = words[1:]
        ttl, words = typed_words(words)
        rtype = type_of(words[0])
        if rtype is None:
            raise BadName("unknown type")
        if self._zone is None:
            self._settle(owner if rtype == SOA else None)
        if not is_blank and owner is not None:
            owner = self._relative(owner)
        if owner is None:
            raise BadName("no owner")
        if owner and rtype in NOT_LOCAL:
            self._owner = owner
            raise BadName("type not allowed as local data")
        data = self._data(rtype, words[1:])
        if len(shown) <= TINY and len(self._small) < MAX_TINY and not is_blank and b"(" not in shown:
            self._small[shown] = owner, rtype, ttl, data
        self._add(owner, rtype, ttl, data, number, shown)

    def _add(self, owner: bytes, rtype: int, ttl: int | None, data: bytes, number: int, shown: bytes) -> None:
        """Add a record; one without a TTL has that of the directive, or of the record before."""
        self._owner = owner
        if ttl is None:
            ttl = self._last_ttl if self._ttl is None else self._ttl
        self._last_ttl = ttl
        self._rules.add(owner, rtype, ttl, data, number, shown)

    def _direct(self, words: list[bytes]) -> None:
        """Follow a directive; raises BadName if it is unknown."""
        name = words[0].upper()
        if name in _DIRECTIVES:
            raise BadName(_DIRECTIVES[name])
        if name == b"$TTL" and len(words) == 2 and (ttl := ttl_of(words[1])) is not None:
            self._ttl = ttl
        elif name == b"$ORIGIN" and len(words) == 2:
            origin, self._origin, self._below = self._origin, None, None  # if it is wrong, no name is relative
            self._forget()
            self._origin = name_key(words[1], origin)
            self._origin_is_known = True
            if self._zone is not None:
                self._settle()
        else:
            raise BadName("unknown directive")

    def _settle(self, owner: bytes | None = None) -> None:
        """Set the zone's name, unless it is known, from its SOA record's owner, and the origin relative to it."""
        if self._zone is None:
            self._zone = owner if owner is not None else self._origin
            if not self._origin_is_known:
                self._origin = self._zone
                self._forget()
        if self._zone is not None:
            self._rules.zone = self._zone
        if self._zone is not None and self._origin is not None and self._origin.startswith(self._zone):
            self._below = self._origin[len(self._zone) :]

    def _forget(self) -> None:
        """Forget what depends on the origin."""
        self._targets.clear()
        self._tiny.clear()
        self._small.clear()
        self._long.clear()

    def _relative(self, owner: bytes) -> bytes:
        zone = self._zone or b""
        if not owner.startswith(zone):
            raise BadName("outside of the zone")
        return owner[len(zone) :]

    def _data(self, rtype: int, words: list[bytes]) -> bytes:
        """Return a record's data in wire form; raises BadName."""
        if rtype == CNAME and words[:1] != [b"\\#"]:
            if len(words) != 1:
                raise BadName("bad data")
            return self._target(words[0])
        data = plain_data(rtype, words, self._origin)
        return self._parsed(rtype, words) if data is None else data

    def _parsed(self, rtype: int, words: list[bytes]) -> bytes:
        """Return data that take long to parse, in wire form; raises BadName."""
        known_by = rtype, tuple(words)
        data = self._long.get(known_by)
        if data is None:
            if self._long_count >= MAX_LONG:
                raise BadName("too much local data")
            self._long_count += 1
            data = parsed_data(rtype, words, self._origin)
            if len(self._long) < MAX_TARGETS:
                self._long[known_by] = data
        return data


def _plain_key(text: bytes, length: dict[int, bytes] = _LENGTH) -> bytes:
    """Return the key of a name without escapes; raises KeyError if a label is empty or too long."""
    labels = text.lower().split(b".")
    labels.reverse()
    return b"".join([length[len(label)] + label for label in labels])
