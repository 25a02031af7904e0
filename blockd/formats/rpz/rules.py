"""The rules of a response policy zone (draft-vixie-dnsop-dns-rpz), from its records, by file or by transfer.

Records are added one by one. Each becomes a rule: a name or network with a scope, and an action; or it is rejected
alone. Of rules for the same name or network with different actions the first counts, wherever the others stand. Rules
with the same action are kept together, since each different answer becomes one order of the ruleset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from blockd.errors import BadName
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.action import RpzAction, action_of
from blockd.formats.rpz.empty_names import EmptyNames
from blockd.formats.rpz.inside import InsideTargets
from blockd.formats.rpz.key_spool import KeySpool
from blockd.formats.rpz.sorted_rules import MAX_ANSWERS, SortedRules
from blockd.formats.rpz.triggers import BOTH, EXACT, NETWORKS, SUBDOMAINS, UNSUPPORTED, trigger_of
from blockd.names import MAX_LABEL, DomainName, is_client_key, key_from_wire
from blockd.orders import Action, Entry, LocalRecord, Scope
from blockd.orders.stored import MAX_RECORD_DATA, MAX_RECORDS

MAX_LOCAL = 1_000_000  # records of local data, kept in memory until their names are complete: some 250 megabytes

A, NS, CNAME, SOA, AAAA, DNAME, OPT = 1, 2, 5, 6, 28, 39, 41
_SIZES = {A: 4, AAAA: 16}  # octets of data
_SIGNING = frozenset((46, 47, 48, 50, 51))  # RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM: a zone's signatures are not rules
NOT_LOCAL = frozenset((NS, SOA, DNAME, OPT, 0, *range(128, 256)))  # of the last, no zone holds any (RFC 6895, 3.1)
_SECOND = "second rule of a name"
NOT_JUNK = frozenset((*UNSUPPORTED.values(), _SECOND))  # reasons that do not cast doubt on the zone's integrity


class RpzRules:
    """The rules of one zone. `override` is what all of them do instead of their own actions.

    `rejects` counts the accepted rules, and the rejected ones with their lines. `serial` is the SOA record's. `zone` is
    the zone's name as a key, set before records are added; if empty, no target is known to be inside.
    """

    def __init__(self, rejects: RejectReport, override: RpzAction | None = None) -> None:
        self.rejects = rejects
        self.serial: int | None = None
        self.zone = b""
        self.asks_client = False  # whether a rule is about clients
        self._override = override
        self._sorted = SortedRules()
        self._spool = KeySpool()
        self._answers: dict[RpzAction, int] = {}
        self._by_target: dict[bytes, int] = {}  # CNAME data seen before
        self._inside = InsideTargets()
        self._ends: dict[int, int] = {}  # answers that lead through the zone to another answer
        self._data: dict[int, tuple[LocalRecord, ...]] = {}  # what the zone has at an answer's target
        self._record_ids: dict[tuple[int, int, bytes], int] = {}  # by type, TTL and data
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
                self._add_cname(owner, rdata, line)
                self.rejects.accepted += 1
            elif rtype not in _SIGNING:
                reason = self._add_local(owner, (rtype, ttl, rdata), line)
                if reason:
                    self.rejects.add(reason, line, shown or DomainName(owner).text.encode())
                else:
                    self.rejects.accepted += 1
        except BadName as error:
            self.rejects.add(error.reason, line, shown or DomainName(owner).text.encode())

    def finish(self) -> None:
        """Settle what each name's rule is, and warn of what the zone lacks; ends the adding."""
        self._put_local()
        empty_names = EmptyNames()
        put, wanted = self._spool.put, self._inside.wanted
        for key, exact, below, lost in self._sorted:
            if lost:
                self._reject(key, lost)
            if key[0] <= MAX_LABEL:
                if found := empty_names.meet(key, below):
                    put(found[1] << 2, found[0])
                if key in wanted:
                    self._inside.meet(key, exact, below)
            elif is_client_key(key):
                self.asks_client = True
            if exact == below:
                put((exact or 0) << 2 | BOTH, key)
                continue
            if exact is not None:
                put(exact << 2 | EXACT, key)
            if below is not None:
                put(below << 2 | SUBDOMAINS, key)
        self._follow_inside()
        if self.serial is None:
            self.rejects.warn("The zone has no SOA record: its version is unknown, and an older one is not detected.")
        if not self._has_ns:
            self.rejects.warn("The zone has no NS record; other resolvers do not load such zones.")
        if seconds := self.rejects.counts.get(_SECOND, 0):
            first = self.rejects.samples[_SECOND][0]
            self.rejects.warn(
                f"{seconds:,} rules are without effect, since another rule for the same name or network stands before "
                f"them, such as the one on line {first.line:,}, {first.text}."
            )

    @property
    def answers(self) -> list[RpzAction]:
        """The different answers; each one's number is its place."""
        return [
            replace(answer, records=self._data.get(number, answer.records)) for answer, number in self._answers.items()
        ]

    @property
    def junk(self) -> int:
        """How many records were rejected as not valid, without those that are valid and cannot be enforced here."""
        return sum(count for reason, count in self.rejects.counts.items() if reason not in NOT_JUNK)

    def rules(self) -> Iterator[tuple[int, Scope, Iterator[bytes]]]:
        """Yield the rules after `finish` was called: the number of the answer, the scope, and the keys."""
        for group in self._spool.groups:
            if group & BOTH:
                answer = group >> 2
                yield self._ends.get(answer, answer), Scope(group & BOTH), self._spool.keys(group)

    def empty_names(self) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield the names without a rule that keep a wildcard above them away: its answer's number, and the keys."""
        for group in self._spool.groups:
            if not group & BOTH:
                answer = group >> 2
                yield self._ends.get(answer, answer), self._spool.keys(group)

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

    def _add_cname(self, owner: bytes, rdata: bytes, line: int) -> None:
        key, scope = trigger_of(owner)
        if _is_itself(owner, rdata):
            answer = self._place(RpzAction(Action.PASSTHRU))  # the old form of rpz-passthru
        else:
            rdata = rdata.lower()  # no length octet of a label is a letter
            known = self._by_target.get(rdata)
            if known is None:
                known = self._answer_of(rdata)
                if len(self._by_target) < MAX_ANSWERS:
                    self._by_target[rdata] = known
            answer = known
        self._sorted.put(key, scope, answer, line)

    def _answer_of(self, rdata: bytes) -> int:
        """Return the number of the answer that a CNAME record's data ask for."""
        if len(self._answers) >= MAX_ANSWERS and self._override is None and rdata[1:5] != b"rpz-":
            raise BadName("too many different answers")  # those of all targets are known
        action = action_of(rdata)
        answer = self._place(action)
        if action.action is Action.CNAME and self.zone and self._override is None:
            target = key_from_wire(rdata)
            if target.startswith(self.zone) and target != self.zone:
                self._inside.add(answer, target[len(self.zone) :])
        return answer

    def _add_local(self, owner: bytes, record: tuple[int, int, bytes], line: int) -> str:
        """Add a record, given its type, TTL and data; return why it is not taken, empty if it is.

        Raises BadName if its owner is not a trigger. Reasons that many records can have are returned: that is faster.
        """
        rtype, _, data = record
        if rtype in NOT_LOCAL:
            return "type not allowed as local data"
        if len(data) > MAX_RECORD_DATA:
            return "too much data at one name"
        if len(data) != _SIZES.get(rtype, len(data)):
            return "bad data"
        known = self._local.get(owner)
        if known is None:
            key, scope = trigger_of(owner)
            if self._override is not None:
                self._sorted.put(key, scope, self._place(self._override), line)
                return ""
        if self._local_count >= MAX_LOCAL:
            return "too much local data"
        if known is not None and len(known) > MAX_RECORDS:
            return "too many records at one name"
        number = self._record_ids.setdefault(record, len(self._record_ids))
        if known is None:
            self._local[owner] = [line, number]
        elif number not in known[1:]:
            known.append(number)
        self._local_count += 1
        return ""

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

    def _put_local(self) -> None:
        """Put the rules with local data, whose records are complete now."""
        records = list(self._record_ids)
        answers: dict[tuple[int, ...], int] = {}
        for owner, (line, *ids) in self._local.items():
            try:
                known = tuple(ids)
                answer = answers.get(known)
                if answer is None:
                    answer = answers[known] = self._local_answer([records[number] for number in ids])
                self._sorted.put(*trigger_of(owner), answer, line)
            except BadName as error:
                self.rejects.accepted -= len(ids)
                self.rejects.add(error.reason, line, DomainName(owner).text.encode())
        self._local.clear()

    def _local_answer(self, records: list[tuple[int, int, bytes]]) -> int:
        """Return the number of the answer with these records; raises BadName if there are too many of either."""
        if sum([len(data) for _, _, data in records]) > MAX_RECORD_DATA:
            raise BadName("too much data at one name")
        if len(self._answers) >= MAX_ANSWERS:  # those with local data come last, and each is put once
            raise BadName("too many different answers")
        return self._place(RpzAction(Action.LOCAL, records=tuple([LocalRecord(*record) for record in records])))

    def _reject(self, key: bytes, lost: tuple[tuple[int, int], ...]) -> None:
        name = Entry(key, Scope.BOTH).text
        for line, first in lost:
            self.rejects.accepted -= 1
            self.rejects.add(_SECOND, line, f"{name}: its rule is on line {first}".encode())

    def _follow_inside(self) -> None:
        """Settle what CNAME rules that lead into the zone find there."""
        answers = list(self._answers)
        bare = []
        for answer, end in self._inside.found(answers).items():
            if end is None:
                bare.append(answers[answer].target)
            elif (data := self._inside.data(end)) is not None:
                self._data[end] = answers[data].records
            if end is not None and end != answer:
                self._ends[answer] = end
        if self._ends:
            target = answers[next(iter(self._ends))].target
            self.rejects.warn(
                f"{len(self._ends):,} names of the zone that rules lead to are aliases themselves, such as {target}: "
                "the rules lead to where these end."
            )
        if bare:
            self.rejects.warn(
                f"{len(bare):,} names of the zone that rules lead to have no data in it, such as {bare[0]}: upstreams "
                "are asked for them."
            )


def _is_itself(owner: bytes, rdata: bytes) -> bool:
    """Return whether a CNAME leads to its own owner; that of a network may be written without the kind of trigger."""
    if len(rdata) == len(owner) + 1:
        return key_from_wire(rdata) == owner
    kind = owner[1 : 1 + owner[0]]
    return kind in NETWORKS and len(rdata) == len(owner) - len(kind) and key_from_wire(rdata) == owner[1 + len(kind) :]
