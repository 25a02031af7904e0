"""The rules of a response policy zone (draft-vixie-dnsop-dns-rpz), from its records, by file or by transfer.

Records are added one by one. Each becomes a rule: a name or network with a scope, and an action; or it is rejected
alone. Rules with the same action are kept together, since each different answer becomes one order of the ruleset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blockd.errors import BadName
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.key_spool import KeySpool
from blockd.formats.rpz.triggers import UNSUPPORTED, trigger_of
from blockd.names import DomainName, is_client_key, key_from_text, key_from_wire
from blockd.orders import Action, LocalRecord, Scope
from blockd.orders.stored import MAX_RECORD_DATA, MAX_RECORDS

MAX_ANSWERS = 1_000  # different answers of one zone: each is an order, with a row in metrics and a place in every file
MAX_LOCAL = 1_000_000  # records of local data, kept in memory until their names are complete: some 250 megabytes

A, NS, CNAME, SOA, AAAA, DNAME, OPT = 1, 2, 5, 6, 28, 39, 41
_SIZES = {A: 4, AAAA: 16}  # octets of data
_SIGNING = frozenset((46, 47, 48, 50, 51))  # RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM: a zone's signatures are not rules
_META = range(128, 256)  # types that no zone holds (RFC 6895 section 3.1)
_ACTIONS = {b"rpz-passthru": Action.PASSTHRU, b"rpz-drop": Action.DROP, b"rpz-tcp-only": Action.TCP_ONLY}
_SECOND = "second CNAME"
NOT_JUNK = frozenset((*UNSUPPORTED.values(), _SECOND))  # reasons that do not cast doubt on the zone's integrity


@dataclass(frozen=True, slots=True)
class RpzAction:
    """What a rule does: `target` with the action cname, `records` with local."""

    action: Action
    target: str = ""
    records: tuple[LocalRecord, ...] = ()


@dataclass(slots=True)
class _Waiting:
    """A rule that the next record may still widen; none if the key is empty."""

    key: bytes = b""
    scope: int = 0
    answer: int = 0


class RpzRules:
    """The rules of one zone. `override` is what all of them do instead of their own actions.

    `rejects` counts the accepted rules, and the rejected ones with their lines. `serial` is the SOA record's.
    """

    def __init__(self, rejects: RejectReport, override: RpzAction | None = None) -> None:
        self.rejects = rejects
        self.serial: int | None = None
        self.asks_client = False  # whether a rule is about clients
        self._override = override
        self._spool = KeySpool()
        self._answers: dict[RpzAction, int] = {}
        self._by_target: dict[bytes, int] = {}  # CNAME data seen before
        self._waiting = _Waiting()
        self._record_ids: dict[LocalRecord, int] = {}
        self._local: dict[bytes, list[int]] = {}  # owner: line of its first record, then its records' ids
        self._local_count = 0
        self._has_ns = False

    def add(self, owner: bytes, rtype: int, ttl: int, rdata: bytes, line: int, shown: bytes = b"") -> None:
        """Take one record of class IN.

        `owner` is a key relative to the zone, empty at its apex; `rdata` its data in wire form, uncompressed. `line`
        and `shown` are the record's place and text for the report. Raises FeedRefused("fault") if the disk is full.
        """
        try:
            if not owner:
                self._add_apex(rtype, rdata)
            elif rtype == CNAME:
                self._add_cname(owner, rdata)
                self.rejects.accepted += 1
            elif rtype not in _SIGNING:
                self._add_local(owner, LocalRecord(rtype, ttl, rdata), line)
                self.rejects.accepted += 1
        except BadName as error:
            self.rejects.add(error.reason, line, shown or DomainName(owner).text.encode())

    def finish(self) -> None:
        """Complete the rules that may have had more records, and warn of what the zone lacks; ends the adding."""
        texts = {number: record for record, number in self._record_ids.items()}
        for owner, (line, *ids) in self._local.items():
            try:
                records = tuple(texts[number] for number in ids)
                if sum(len(record.data) for record in records) > MAX_RECORD_DATA:
                    raise BadName("too much data at one name")
                self._put(*trigger_of(owner), self._place(RpzAction(Action.LOCAL, records=records)))
            except BadName as error:
                self.rejects.accepted -= len(ids)
                self.rejects.add(error.reason, line, DomainName(owner).text.encode())
        self._local.clear()
        self._flush()
        if self.serial is None:
            self.rejects.warn("The zone has no SOA record: its version is unknown, and an older one is not detected.")
        if not self._has_ns:
            self.rejects.warn("The zone has no NS record; other resolvers do not load such zones.")
        if seconds := self.rejects.counts.get(_SECOND, 0):
            self.rejects.warn(f"{seconds:,} names have two CNAME records; the first is used.")

    @property
    def answers(self) -> list[RpzAction]:
        """The different answers; each one's number is its place."""
        return list(self._answers)

    @property
    def junk(self) -> int:
        """How many records were rejected as not valid, without those that are valid and cannot be enforced here."""
        return sum(count for reason, count in self.rejects.counts.items() if reason not in NOT_JUNK)

    def rules(self) -> Iterator[tuple[int, Scope, Iterator[bytes]]]:
        """Yield the rules after `finish` was called: the number of the answer, the scope, and the keys."""
        for group in self._spool.groups:
            yield group >> 2, Scope(group & Scope.BOTH), self._spool.keys(group)

    def _add_apex(self, rtype: int, rdata: bytes) -> None:
        if rtype == SOA:
            if len(rdata) < 22:  # two names and five numbers, RFC 1035 section 3.3.13
                raise BadName("bad data")
            if self.serial is None:
                self.serial = int.from_bytes(rdata[-20:-16])
        elif rtype == NS:
            self._has_ns = True
        elif rtype == CNAME:
            raise BadName("CNAME at the apex")

    def _add_cname(self, owner: bytes, rdata: bytes) -> None:
        key, scope = trigger_of(owner)
        if len(rdata) == len(owner) + 1 and key_from_wire(rdata) == owner:
            answer = self._place(RpzAction(Action.PASSTHRU))  # the old form of rpz-passthru
        else:
            known = self._by_target.get(rdata)
            if known is None:
                known = self._place(_answer_of(rdata))
                if len(self._by_target) < MAX_ANSWERS:
                    self._by_target[rdata] = known
            answer = known
        self._put(key, scope, answer)

    def _add_local(self, owner: bytes, record: LocalRecord, line: int) -> None:
        if record.type in (NS, SOA, DNAME, OPT, 0) or record.type in _META:
            raise BadName("type not allowed as local data")
        if len(record.data) > MAX_RECORD_DATA:
            raise BadName("too much data at one name")
        if len(record.data) != _SIZES.get(record.type, len(record.data)):
            raise BadName("bad data")
        key, scope = trigger_of(owner)
        if self._override is not None:
            self._put(key, scope, self._place(self._override))
            return
        known = self._local.get(owner)
        if self._local_count >= MAX_LOCAL:
            raise BadName("too much local data")
        if known is not None and len(known) > MAX_RECORDS:
            raise BadName("too many records at one name")
        number = self._record_ids.setdefault(record, len(self._record_ids))
        if known is None:
            self._local[owner] = [line, number]
        elif number not in known[1:]:
            known.append(number)
        self._local_count += 1

    def _place(self, answer: RpzAction) -> int:
        """Return the number of an answer; raises BadName if there are too many of them."""
        if self._override is not None:
            answer = self._override
        number = self._answers.get(answer)
        if number is None:
            if len(self._answers) >= MAX_ANSWERS:
                raise BadName("too many different answers")
            number = self._answers[answer] = len(self._answers)
        return number

    def _put(self, key: bytes, scope: int, answer: int) -> None:
        waiting = self._waiting
        if key == waiting.key:
            if answer == waiting.answer:
                waiting.scope |= scope  # x and *.x are neighbours in most zones, and become one entry
                return
            if scope & waiting.scope:
                raise BadName(_SECOND)
        self._flush()
        waiting.key, waiting.scope, waiting.answer = key, scope, answer

    def _flush(self) -> None:
        waiting = self._waiting
        if waiting.key:
            self.asks_client = self.asks_client or is_client_key(waiting.key)
            self._spool.put(waiting.answer << 2 | waiting.scope, waiting.key)
        waiting.key = b""


def _answer_of(rdata: bytes) -> RpzAction:
    """Return the action of a CNAME record's data; raises BadName if it is not a name, or an unknown action."""
    key = key_from_wire(rdata)
    if not key:
        return RpzAction(Action.NXDOMAIN)
    if key == b"\x01*":
        return RpzAction(Action.NODATA)
    labels = DomainName(key).labels
    if labels[-1].startswith(b"rpz-"):
        if len(labels) > 1 or labels[0] not in _ACTIONS:
            raise BadName("unknown action")
        return RpzAction(_ACTIONS[labels[0]])
    text = DomainName(key).text
    below = labels[0] == b"*"
    if below:
        text = DomainName(key[:-2]).text
    try:
        key_from_text(text)
    except BadName as error:
        raise BadName("target is not a host name") from error
    return RpzAction(Action.CNAME, f"*.{text}" if below else text)
