"""Which records of a message answer its question: the chain from the name asked, and what belongs to it.

The order of the records in the answer section does not matter, for RFC 1034 does not say that it does; named and
unbound take the part of a chain that is in order and ask for the rest themselves, so that their clients get all of it.
Of data of the type asked and a CNAME at one name what stands first counts, as in named, and of two CNAMEs the first, as
in unbound. A DNAME without its CNAME is refused, as by named. Foreign records are dropped, as both do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blockd.dns import types
from blockd.names import MAX_KEY
from blockd.resolver.reading.names import label_count
from blockd.resolver.reading.rdata import NameInData
from blockd.resolver.reading.refusals import LOOP, NOT_OF_DNAME, RefusedAnswer

MAX_NAMES = 16  # that one answer leads to; chains of content networks have up to 8, and unbound follows 11
MAX_NAME_LABELS = 128  # of all of them together: one name may have 127, and 16 ordinary ones have half as many
MAX_ADDRESSES = 256  # that one answer leads to: all that fit into 4,096 octets, the largest that UDP is used for
TOO_FAR = f"sent an answer that leads to over {MAX_NAMES} names or {MAX_ADDRESSES} addresses"
MAX_EXTRAS = 16  # names of the additional section that it does not lead to; the root zone's servers are 13
MAX_EXTRA_ADDRESSES = 64  # of all of them together
_SINGLE = frozenset((types.CNAME, types.DNAME, types.SOA))  # types of which a name has one record
_SERVICES = frozenset((types.SVCB, types.HTTPS))
_ADDRESSES = frozenset((types.A, types.AAAA))
_PROOFS = frozenset((types.DS, types.NSEC, types.NSEC3))


@dataclass(slots=True)
class MessageRecord:
    """One record of a message: places in it, the owner's key, and what its data mention."""

    section: int  # 0 answer, 1 authority, 2 additional
    place: int  # of the owner
    owner: bytes
    qtype: int
    ttl: int
    data: int  # place of the data
    end: int
    names: tuple[NameInData, ...]
    covered: int  # the type that an RRSIG covers, 0 for other records
    step: int = -1  # of the chain, which it belongs to; -1 if it is dropped, 0 in the other sections

    @property
    def kept(self) -> bool:
        """Whether it is passed on."""
        return self.step >= 0

    @property
    def target(self) -> bytes:
        """The key of the first name in its data; of an SVCB record that names the root, its owner."""
        return self.names[0].key or (self.owner if self.qtype in _SERVICES else b"")


@dataclass(slots=True)
class Fitting:
    """What fits the question for `key` and `qtype`, `do` being set or not."""

    key: bytes
    qtype: int
    do: bool
    chain: list[bytes] = field(default_factory=list)  # the name asked and what it is an alias of, one after the other
    answered: bool = False  # whether the chain ends with a record of the type asked
    extras: list[bytes] = field(default_factory=list)  # keys of the other names whose addresses it adds
    led: set[bytes] = field(default_factory=set)  # keys of what SVCB records of the answer lead to

    def fit(
        self, answers: Sequence[MessageRecord], authority: Sequence[MessageRecord], additional: Sequence[MessageRecord]
    ) -> None:
        """Mark the records that are kept; raises BadMessage if the chain is a loop or contradicts itself."""
        self._follow(answers)
        self._fit_authority(authority)
        kept = [record for record in (*answers, *authority) if record.kept]
        self.led = {record.target for record in kept if record.section == 0 and record.qtype in _SERVICES}
        mentioned = {name.key for record in kept for name in record.names}
        self._fit_additional(additional, mentioned)

    def _follow(self, answers: Sequence[MessageRecord]) -> None:
        self.chain = [self.key]
        while True:
            tip, step = self.chain[-1], len(self.chain) - 1
            here = [record for record in answers if record.owner == tip]
            matching = [record for record in here if self._is_asked(record.qtype)]
            alias = next((record for record in here if record.qtype == types.CNAME), None)
            if matching and alias is not None and alias.place < matching[0].place:
                matching = []
            above = next((one for one in answers if one.qtype == types.DNAME and _is_below(tip, one.owner)), None)
            if alias is not None and above is not None and (not matching or alias in matching):
                if above.target + tip[len(above.owner) :] != alias.target:
                    raise RefusedAnswer(NOT_OF_DNAME)
                self._keep(answers, [above], step)
            if matching:
                self._keep(answers, matching, step)
                self.answered = True
                return
            if alias is None:
                if above is not None:
                    raise RefusedAnswer(NOT_OF_DNAME)
                return
            self._keep(answers, [alias], step)
            if alias.target in self.chain:
                raise RefusedAnswer(LOOP)
            if len(self.chain) > MAX_NAMES:
                raise RefusedAnswer(TOO_FAR)
            self.chain.append(alias.target)

    def _is_asked(self, qtype: int) -> bool:
        if self.qtype == types.ANY:
            return qtype != types.OPT and not types.FIRST_META <= qtype <= types.ANY
        return qtype == self.qtype

    def _keep(self, answers: Sequence[MessageRecord], records: Sequence[MessageRecord], step: int) -> None:
        """Keep records of one owner, only the first of a type that is single, and with DO what signs them."""
        met: set[int] = set()
        for record in records:
            if record.step < 0 and (record.qtype not in _SINGLE or record.qtype not in met):
                record.step = step  # a DNAME above two names of the chain stays with the first
            met.add(record.qtype)
        if self.do:
            owner = records[0].owner
            for record in answers:
                is_of = record.qtype == types.RRSIG and record.owner == owner and record.covered in met
                if is_of and record.step < 0:
                    record.step = step

    def _fit_authority(self, authority: Sequence[MessageRecord]) -> None:
        """Keep what is said of the zone that the chain ends in, and with DO what proves that it may."""
        end = self.chain[-1]
        proved = set()
        met_soa = False
        for record in authority:
            qtype = record.covered or record.qtype
            if qtype in (types.NS, types.SOA):
                fits = end.startswith(record.owner) and (self.do or not record.covered)
                if record.qtype == types.SOA:
                    fits, met_soa = fits and not met_soa, met_soa or fits
            elif record.covered in _PROOFS and self.do:
                signer = record.names[0].key
                fits = record.owner.startswith(signer) and any(name.startswith(signer) for name in self.chain)
                if fits:
                    proved.add((record.owner, record.covered))
            else:
                continue
            record.step = 0 if fits else -1
        for record in authority:
            if record.qtype in _PROOFS and (record.owner, record.qtype) in proved:
                record.step = 0

    def _fit_additional(self, additional: Sequence[MessageRecord], mentioned: set[bytes]) -> None:
        """Keep addresses of names that are mentioned, and, as SVCB leads on there, aliases and services as well."""
        kept: set[tuple[bytes, int]] = set()
        extras: dict[bytes, None] = {}
        addresses = 0
        for record in additional:
            owner, qtype = record.owner, record.qtype
            if qtype in _ADDRESSES and owner in self.led:
                fits = True
            elif qtype in _ADDRESSES and owner in mentioned:
                fits = addresses < MAX_EXTRA_ADDRESSES and (owner in extras or len(extras) < MAX_EXTRAS)
                if fits:
                    addresses += 1
                    extras.setdefault(owner)
            elif qtype in _SERVICES or qtype == types.CNAME:
                fits = owner in self.led and (qtype != types.CNAME or (owner, qtype) not in kept)
                if fits:
                    self.led.add(record.target)
            else:
                fits = self.do and qtype == types.RRSIG and (owner, record.covered) in kept
            if fits:
                record.step = 0
                kept.add((owner, qtype))
        self.extras = [owner for owner in extras if owner not in self.led]


@dataclass(frozen=True, slots=True)
class Lead:
    """What one record leads to: the record's owner and type, and the key of a name or an address's octets."""

    owner: bytes
    qtype: int
    is_name: bool
    to: bytes


def leads_of_records(message: bytes, records: Iterable[MessageRecord], led: set[bytes]) -> list[Lead]:
    """Return what records that are kept lead to, in their order; in the additional section only those in `led` do."""
    leads = []
    for record in records:
        if record.section == 1 or (record.section == 2 and record.owner not in led):
            continue
        if record.qtype in _ADDRESSES:
            leads.append(Lead(record.owner, record.qtype, False, message[record.data : record.end]))
        elif record.qtype in (types.CNAME, types.DNAME):
            leads.append(Lead(record.owner, record.qtype, True, record.target))
        elif record.qtype in _SERVICES:
            leads.append(Lead(record.owner, record.qtype, True, record.target))
            leads += [Lead(record.owner, record.qtype, False, hint) for hint in _hints(message, record)]
    return leads


def extra_addresses(message: bytes, records: Iterable[MessageRecord], led: set[bytes]) -> tuple[bytes, ...]:
    """Return the addresses in the additional section that the answer does not lead to, of records that are kept."""
    return tuple(
        message[record.data : record.end]
        for record in records
        if record.section == 2 and record.qtype in _ADDRESSES and record.owner not in led
    )


def bounded(leads: Iterable[Lead]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the names, each once, and the addresses; raises BadMessage if there are more than are looked up."""
    names = tuple(dict.fromkeys(lead.to for lead in leads if lead.is_name))
    addresses = tuple(lead.to for lead in leads if not lead.is_name)
    if len(names) > MAX_NAMES or sum(map(label_count, names)) > MAX_NAME_LABELS:
        raise RefusedAnswer(TOO_FAR)
    if len(addresses) > MAX_ADDRESSES:
        raise RefusedAnswer(TOO_FAR)
    return names, addresses


def _is_below(name: bytes, owner: bytes) -> bool:
    return len(owner) < len(name) <= MAX_KEY and name.startswith(owner)


def _hints(message: bytes, record: MessageRecord) -> list[bytes]:
    """Return the addresses in an SVCB record's parameters, whose shape has been checked."""
    found = []
    at = record.names[0].end
    while at < record.end:
        key, size = int.from_bytes(message[at : at + 2]), int.from_bytes(message[at + 2 : at + 4])
        at += 4
        if step := {types.SVCB_IPV4HINT: 4, types.SVCB_IPV6HINT: 16}.get(key):
            found += [message[place : place + step] for place in range(at, at + size, step)]
        at += size
    return found
