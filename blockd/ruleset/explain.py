"""The explanation of a verdict: the verdict on a name or an address, the order behind it, and every other claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from blockd.formats.subject import Subject, subject_of
from blockd.names import client_key
from blockd.orders import Entry, Order, Reason, State, Verdict
from blockd.orders.disclosure import CONFIDENTIAL, public_fields, public_text
from blockd.ruleset.because import (
    because_alone,
    because_between,
    because_within,
    called_with_feed,
    closed_by,
    does_not_apply,
    entry_text,
    is_exception,
    lacked_of,
    why_other,
)
from blockd.ruleset.format import MAX_CLAIMS_OF_ONE
from blockd.ruleset.parties import OPERATOR, authority_text
from blockd.ruleset.policy import Enforced
from blockd.ruleset.precedence import PartyDecision, settle
from blockd.ruleset.weighing import Covering
from blockd.settings.groups import EVERYBODY, ClientGroup
from blockd.times import time_text

_EXAMPLES = 8  # refused orders that are named


@dataclass(frozen=True, slots=True)
class ExplainedClaim:
    """An order with the entry by which it covers a name, and the state in which the policy has it."""

    entry: Entry
    feed: str
    order: Order
    state: State
    stale: bool

    @classmethod
    def of(cls, verdict: Verdict) -> ExplainedClaim | None:
        """Return the claim that a verdict rests on; None if there is none."""
        order, entry, state = verdict.order, verdict.entry, verdict.state
        if order is None or entry is None or state is None:
            return None
        return cls(entry, verdict.feed, order, state, verdict.stale and state is State.IN_FORCE)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        order = self.order
        return {
            "entry": public_text(self.entry),
            "scope": self.entry.scope.text,
            "feed": self.feed,
            "role": order.role,
            "state": self.state.text,
            "since": time_text(order.in_force_from) if order.in_force_from is not None else None,
            "until": time_text(order.expires) if order.expires is not None else None,
            "stale": self.stale,
            "order": public_fields(order),
        }


@dataclass(frozen=True, slots=True)
class WeighedClaim:
    """A claim, whether it decides, and why, as a sentence; `priority` is its feed's."""

    claim: ExplainedClaim
    priority: int | None
    decides: bool
    because: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            **self.claim.to_json(), "priority": self.priority, "decides": self.decides, "because": self.because
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RefusedOrders:
    """Orders of one authority, some of whose names have no room, the one asked about probably among them."""

    feed: str
    role: str
    count: int
    examples: tuple[str, ...]  # ids

    @property
    def sentence(self) -> str:
        """Say so in words."""
        more = ", …" if self.count > len(self.examples) else ""
        return (
            f"{self.count} orders of {authority_text(self.feed, self.role)} are refused on some names, as an authority "
            f"may have {MAX_CLAIMS_OF_ONE} on one, and has them on this: {', '.join(self.examples)}{more}"
        )


@dataclass(frozen=True, slots=True)
class ExplainedRuleset:
    """The version that an explanation is about, when it was compiled, and every claim in it on the name.

    `refused` has the authorities that list the name more often than there is room for.
    """

    version: int
    compiled: int  # seconds since the epoch
    claims: tuple[WeighedClaim, ...]
    refused: tuple[RefusedOrders, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            "version": self.version,
            "compiled": time_text(self.compiled),
            "claims": [claim.to_json() for claim in self.claims],
            "refused": [one.sentence for one in self.refused],
        }


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """What happens to a name for the clients of a group, where that is not what happens for clients in none."""

    group: str
    verdict: str  # the action, or `resolved`
    why: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict for a name, an address or a network at one moment; `ruleset` is None if nothing is enforced.

    `name` is replaced if a confidential order covers it, since explanations may be kept and read by others. The
    verdict on an address is that on answers that lead to it; `as_client` is that on the questions that it sends, None
    if no policy zone has rules for clients. `group` is the group of the client that it is about, None if it is in none
    or none is named; then `by_group` has the groups for which the verdict is another.
    """

    subject: Subject
    name: str
    verdict: str  # the action, or `resolved`
    why: str
    claim: ExplainedClaim | None  # that the verdict rests on
    ruleset: ExplainedRuleset | None
    decided: Verdict
    as_client: Explanation | None = None
    group: ClientGroup | None = None
    by_group: tuple[GroupVerdict, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether something else is answered than what upstreams say."""
        return self.decided.touches and self.decided.action is not None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            "name": self.name,
            "kind": kind_of(self.subject),
            "taken_from": self.subject.taken_from or None,
            "verdict": self.verdict,
            "why": self.why,
            **(self.claim.to_json() if self.claim else {}),
            **(self.ruleset.to_json() if self.ruleset else {}),
            **({"as_client": self.as_client.to_json()} if self.as_client else {}),
            **({"group": {"name": self.group.name, "feeds": list(self.group.feeds)}} if self.group else {}),
            **({"groups": [one.to_json() for one in self.by_group]} if self.by_group else {}),
        }


def kind_of(subject: Subject) -> str:
    """Return in one word what a subject is: `name`, `address`, `network` or `client`."""
    if not subject.is_network:
        return "name"
    network = subject.network
    if subject.is_client:
        return "client"
    return "address" if network.prefix_length == len(network.packed) * 8 else "network"


def explain(enforced: Enforced | None, text: str, client: bytes = b"") -> Explanation:
    """Return the explanation for what `subject_of` reads in a text; raises BadName if it is not a name or an address.

    `client` has the 4 or 16 octets of the address of a client, and the verdict is that on its questions for a name.
    """
    subject = subject_of(text)
    if not subject.is_network:
        return _of_name(enforced, subject, client)
    network = subject.network
    found = _of_network(enforced, subject, as_client=subject.is_client)
    if subject.is_client or enforced is None or not enforced.asks_client:
        return found
    client_subject = Subject(client_key(network.packed, network.prefix_length))
    return replace(found, as_client=_of_network(enforced, client_subject, as_client=True))


def _of_name(enforced: Enforced | None, subject: Subject, client: bytes) -> Explanation:
    key = subject.key
    if enforced is None:
        return _explained(None, subject, Verdict(Reason.NOT_READY), [])
    number = enforced.client_groups.number_of(client)
    seen = enforced.seen_by(number)
    covering = [*(seen.client_covering(client) if client else ()), *seen.covering(key)]
    left = lacked_of(seen, [*(enforced.client_covering(client) if client else ()), *enforced.covering(key)])
    found = _explained(seen, subject, seen.verdict(key, client), covering, number, left)
    return found if client else replace(found, by_group=verdicts_by_group(enforced, lambda one: one.verdict(key)))


def _of_network(enforced: Enforced | None, subject: Subject, *, as_client: bool) -> Explanation:
    network = subject.network
    place = network.packed, network.prefix_length
    if enforced is None:
        return _explained(None, subject, Verdict(Reason.NOT_READY), [])
    if as_client:
        groups = enforced.client_groups
        number = groups.number_of(network.packed) if groups.table.is_within(network) else EVERYBODY
        seen = enforced.seen_by(number)
        left = lacked_of(seen, enforced.client_covering(*place))
        return _explained(seen, subject, seen.client_verdict(*place), seen.client_covering(*place), number, left)
    found = _explained(enforced, subject, enforced.address_verdict(*place), enforced.address_covering(*place))
    return replace(found, by_group=verdicts_by_group(enforced, lambda one: one.address_verdict(*place)))


def verdicts_by_group(enforced: Enforced, verdict_of: Callable[[Enforced], Verdict]) -> tuple[GroupVerdict, ...]:
    """Return the groups for which a verdict is another than for clients in none, in the order of the config."""
    everybodys, found = verdict_of(enforced), []
    for number, group in enumerate(enforced.client_groups, 1):
        verdict = verdict_of(enforced.seen_by(number))
        if (verdict.action, verdict.order_index) != (everybodys.action, everybodys.order_index):
            alone = "" if verdict.stops or group.is_exempt else ", by the name alone"
            found.append(GroupVerdict(group.name, word_of(verdict), why_other(verdict, everybodys, group) + alone))
    return tuple(found)


def _explained(
    enforced: Enforced | None,
    subject: Subject,
    verdict: Verdict,
    covering: Sequence[Covering],
    number: int = EVERYBODY,
    lacked: Sequence[Covering] = (),
) -> Explanation:
    """Return the explanation of a verdict, given every claim that covers what was asked for.

    `number` is the group of the client that it is about, and `lacked` the claims that do not apply to that.
    """
    name, ruleset = subject.text, None
    group = enforced.client_groups.group(number) if enforced is not None else None
    if enforced is not None:
        orders = [found.verdict.order for found in (*covering, *lacked) if found.verdict.order is not None]
        confidential = next((order.name for order in orders if order.is_confidential), None)
        if confidential is not None:
            name, subject = f"{CONFIDENTIAL} order {confidential}", replace(subject, taken_from="")
        header = enforced.ruleset.header
        weighed, refused = _weighed(enforced, covering, verdict), tuple(_refused(enforced, covering))
        if group is not None:
            weighed += tuple(_unweighed(enforced, lacked, group))
        ruleset = ExplainedRuleset(enforced.version, header.created, weighed, refused)
    why = str(verdict.reason).replace("the name", f"the {kind_of(subject)}")
    claim = ExplainedClaim.of(verdict)
    return Explanation(subject, name, word_of(verdict), why, claim, ruleset, verdict, group=group)


def _refused(enforced: Enforced, covering: Sequence[Covering]) -> Iterator[RefusedOrders]:
    """Yield the authorities that have all their room on an entry, and orders that had none on some."""
    if len(covering) < MAX_CLAIMS_OF_ONE:
        return
    found = (found.verdict for found in covering)
    used = Counter((one.entry.key, one.feed, one.order.role) for one in found if one.entry and one.order)
    for owner in dict.fromkeys((feed, role) for (_, feed, role), count in used.items() if count >= MAX_CLAIMS_OF_ONE):
        orders = enforced.ruleset.catalogue.orders
        ids = [record.order.name for record in orders if record.refused and record.owner == owner]
        if ids:
            yield RefusedOrders(*owner, len(ids), tuple(ids[:_EXAMPLES]))


def _weighed(enforced: Enforced, covering: Sequence[Covering], verdict: Verdict) -> tuple[WeighedClaim, ...]:
    """Return every claim on a name, compared with the verdict."""
    priorities = {feed.name: feed.priority for feed in enforced.ruleset.catalogue.feeds}
    decisive = next((found for found in covering if _is(found.verdict, verdict)), None)
    firsts = enforced.firsts(covering)
    lifted = settle([_decision(enforced, found) for found in firsts.values()]).lifted if decisive else {}
    told = []
    for found in covering:
        if (claim := ExplainedClaim.of(found.verdict)) is None:
            continue
        party = enforced.party_of(found.verdict)
        first = firsts.get(party)
        is_idle = claim.state is not State.IN_FORCE or found.below is not None or is_exception(found.verdict)
        if is_idle or found is decisive or decisive is None or first is None:
            because = closed_by(enforced, found) or because_alone(claim.state, found)
        elif verdict.reason is Reason.ALLOWED and enforced.party_of(verdict) == OPERATOR:
            because = f"the allow entry {entry_text(verdict)} of feed {verdict.feed} beats every block"
        elif first is not found:
            because = because_within(found, first, priorities)
        elif party in lifted:
            because = f"{called_with_feed(lifted[party].claim.verdict)} lifts it, as it may"
        elif party == enforced.party_of(verdict):
            because = because_within(found, decisive, priorities)
        else:
            because = because_between(found, decisive, priorities)
        told.append(WeighedClaim(claim, priorities.get(claim.feed), found is decisive, because))
    return tuple(told)


def _unweighed(enforced: Enforced, lacked: Iterable[Covering], group: ClientGroup) -> Iterator[WeighedClaim]:
    """Yield the claims that do not apply to a group."""
    priorities = {feed.name: feed.priority for feed in enforced.ruleset.catalogue.feeds}
    for found in lacked:
        claim = ExplainedClaim.of(found.verdict)
        if claim is not None:
            yield WeighedClaim(claim, priorities.get(claim.feed), False, does_not_apply(claim.feed, group))


def _decision(enforced: Enforced, found: Covering) -> PartyDecision[int, Covering]:
    """Return what a party decides by a claim, for `blockd.ruleset.precedence`."""
    claim = found.verdict
    assert claim.order is not None  # noqa: S101 - a claim has an order
    assert claim.order_index is not None  # noqa: S101
    lifts = enforced.parties.lifts[claim.order_index]
    party = enforced.party_of(claim)
    return PartyDecision(party, claim.order.action, -found.size, claim.order_index, found, lifts)


def _is(claim: Verdict, verdict: Verdict) -> bool:
    """Return whether a claim is the one that a verdict with an action rests on."""
    return verdict.action is not None and (claim.order_index, claim.entry) == (verdict.order_index, verdict.entry)


def word_of(verdict: Verdict) -> str:
    """Return the verdict in one word: the action, else what happens to the question."""
    return str(verdict.action) if verdict.action else "resolved"
