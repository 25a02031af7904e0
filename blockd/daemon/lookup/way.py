"""Where a name leads: what each record of an answer leads to, and which of that an entry stops."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.formats.finding.line import Line
from blockd.names import DomainName
from blockd.orders import Verdict
from blockd.orders.disclosure import CONFIDENTIAL
from blockd.printable import unproved
from blockd.resolver.reading.fitting import Lead
from blockd.resolver.response import Response, leads_of
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.ruleset.explain import ExplainedClaim, word_of
from blockd.ruleset.leading import where_it_leads

QTYPES = {types.A: "A", types.AAAA: "AAAA", types.HTTPS: "HTTPS"}  # that browsers ask for
MAX_STEPS = 64  # shown of one answer; an honest one has a few

_TYPES = {**QTYPES, types.CNAME: "CNAME", types.DNAME: "DNAME", types.SVCB: "SVCB"}
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN"}


@dataclass(frozen=True, slots=True)
class Step:
    """One record's lead: from `owner` by a record of a type to a name or an address, with the verdict on that."""

    owner: str
    type: str
    to: str
    verdict: str
    claim: ExplainedClaim | None
    decides: bool
    key: bytes = b""  # of the name that it leads to, or of the network that has the address
    line: Line | None = None  # of the list, if it was looked for

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "owner": self.owner, "type": self.type, "to": self.to, "verdict": self.verdict, "decides": self.decides,
            "claim": self.claim.to_json() if self.claim else None, "line": asdict(self.line) if self.line else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """What a client gets: the rcode, the records that lead somewhere as text, and the Extended DNS Errors."""

    rcode: str
    records: tuple[str, ...]
    errors: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"rcode": self.rcode, "records": list(self.records), "errors": list(self.errors)}


@dataclass(frozen=True, slots=True)
class Way:
    """The way of one question: its `outcome` is an action, `resolved`, or `unknown` if upstreams gave no answer."""

    qtype: int
    outcome: str
    why: str
    verdict: Verdict = NOT_LISTED  # of what decides
    steps: tuple[Step, ...] = ()
    more: int = 0  # steps that are not shown
    answer: ClientAnswer | None = field(default=None)

    @property
    def is_known(self) -> bool:
        """Whether upstreams answered, or none had to be asked."""
        return self.outcome != UNKNOWN

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "type": QTYPES[self.qtype],
            "outcome": self.outcome,
            "why": self.why,
            "steps": [step.to_json() for step in self.steps],
            "steps_left_out": self.more,
            "answer": self.answer.to_json() if self.answer else None,
        }


UNKNOWN = "unknown"


class WayFinder:
    """Explains answers for one name by what is enforced; nothing that a confidential order covers is told."""

    def __init__(self, enforced: Enforced | None, key: bytes, verdict: Verdict, zone: str = "") -> None:
        """`verdict` is that on the name, and on the client if it is about one; `zone` a local zone that answers."""
        self._enforced = enforced
        self._question_size = len(key) + 5
        self._verdict = verdict
        self._zone = zone
        self._texts: dict[bytes, str] = {}

    @property
    def is_decided(self) -> bool:
        """Whether the verdict on the name decides, so that it does not matter where it leads."""
        return self._verdict.stops

    def decided(self, qtype: int) -> Way:
        """Return the way of a question that is decided by the name."""
        return Way(qtype, word_of(self._verdict), "the name itself decides", self._verdict)

    def way(self, qtype: int, message: bytes | None) -> Way:
        """Return the way of a question, given the upstreams' answer; None if there was none in time."""
        if message is None:
            return Way(qtype, UNKNOWN, "no upstream has answered in time")
        try:
            response, leads = leads_of(message, self._question_size)
        except BadMessage as error:
            return Way(qtype, UNKNOWN, f"the answer cannot be read: {error}")
        if response.failed:
            reasons = "; ".join(_errors(response)) or _rcode(response)
            return Way(qtype, UNKNOWN, f"the upstreams failed to answer: {reasons}")
        return self._judged(qtype, response, leads)

    def answer(self, message: bytes) -> ClientAnswer | None:
        """Return what a client gets, from a worker's answer; None if it cannot be read."""
        try:
            response, leads = leads_of(message, self._question_size)
        except BadMessage:
            return None
        shown = tuple(f"{_type(lead)} {self._to(lead)}" for lead in leads[:MAX_STEPS])
        return ClientAnswer(_rcode(response), shown, tuple(_errors(response)))

    def _judged(self, qtype: int, response: Response, leads: Sequence[Lead]) -> Way:
        enforced, tiers = self._enforced, self._verdict.tiers_left
        found = NOT_LISTED
        if enforced is not None and tiers:
            found = where_it_leads(enforced, response.names, response.addresses, tiers, self._verdict.passing)
        steps = []
        deciding: Step | None = None
        for lead in leads:
            verdict = NOT_LISTED if enforced is None else self._verdict_on(enforced, lead)
            decides = deciding is None and found.touches and _rests_on_the_same(verdict, found)
            key = lead.to if lead.is_name else verdict.entry.key if verdict.entry else b""
            step = Step(
                self._name(lead.owner), _type(lead), self._to(lead), word_of(verdict),
                ExplainedClaim.of(verdict), decides, key,
            )  # fmt: skip
            deciding = step if decides else deciding
            steps.append(step)
        shown = steps[:MAX_STEPS]
        if deciding is not None and deciding not in shown:
            shown[-1] = deciding
        outcome, why = self._outcome(found, deciding, response, tiers)
        return Way(qtype, outcome, why, found, tuple(shown), len(steps) - len(shown))

    def _outcome(self, found: Verdict, deciding: Step | None, response: Response, tiers: int) -> tuple[str, str]:
        if found.touches:
            place = f"{deciding.type} {deciding.to}" if deciding else "a listed place"
            return word_of(found), f"it leads to {place}, which an order in force covers"
        if self._verdict.touches:  # over TCP only
            return word_of(self._verdict), "the name itself decides"
        if not tiers:
            return "resolved", "an allow entry covers the name, so that it does not matter where it leads"
        if response.rcode == types.NXDOMAIN:
            said = f"the local zone {self._zone} says" if self._zone else "the upstreams say"
            return "resolved", f"{said} that the name does not exist"
        if not response.names and not response.addresses:
            held = f"the local zone {self._zone} has" if self._zone else "the upstreams have"
            return "resolved", f"{held} no such record"
        return "resolved", "no order in force stops what it leads to"

    def _verdict_on(self, enforced: Enforced, lead: Lead) -> Verdict:
        return enforced.verdict(lead.to) if lead.is_name else enforced.address_verdict(lead.to)

    def _to(self, lead: Lead) -> str:
        return self._name(lead.to) if lead.is_name else str(ipaddress.ip_address(lead.to))

    def _name(self, key: bytes) -> str:
        """Return a name's text, or what is told instead of it if a confidential order covers it."""
        text = self._texts.get(key)
        if text is None:
            covering = self._enforced.covering(key) if self._enforced else ()
            orders = (claim.verdict.order for claim in covering if claim.verdict.order is not None)
            hidden = next((order.name for order in orders if order.is_confidential), None)
            text = DomainName(key).text if hidden is None else f"{CONFIDENTIAL} order {hidden}"
            self._texts[key] = text
        return text


def in_order(ways: Mapping[int, Way]) -> list[Way]:
    """Return ways by their types, as they are shown."""
    return [ways[qtype] for qtype in QTYPES if qtype in ways]


def _rests_on_the_same(verdict: Verdict, found: Verdict) -> bool:
    return verdict.order_index == found.order_index and verdict.entry == found.entry


def _type(lead: Lead) -> str:
    return _TYPES.get(lead.qtype, f"TYPE{lead.qtype}")


def _rcode(response: Response) -> str:
    return _RCODES.get(response.rcode, f"RCODE{response.rcode}")


def _errors(response: Response) -> list[str]:
    """Return the Extended DNS Errors of a response (RFC 8914 section 2), made printable."""
    found, position, octets = [], 0, response.errors
    while position + 6 <= len(octets):
        size = int.from_bytes(octets[position + 2 : position + 4])
        code = int.from_bytes(octets[position + 4 : position + 6])
        text = unproved(octets[position + 6 : position + 4 + size])
        found.append(f"EDE {code}" + (f": {text}" if text else ""))
        position += 4 + size
    return found[:MAX_STEPS]
