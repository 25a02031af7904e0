"""The query pipeline: every stage that a message passes, in one list, each with the reason why it stands there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from blockd.errors import BadMessage, RulesetError, UpstreamFailure
from blockd.feeds.transfer.notify import Notified, is_notify
from blockd.metrics import Row, TrafficRow, Transport
from blockd.names import MAX_NAME, key_from_text
from blockd.orders import NEVER, NO_TIER, Action, Reason, Verdict
from blockd.resolver import types
from blockd.resolver.answers import MAX_TTL, BlockAnswers, Sinkhole, answer, error, time_left
from blockd.resolver.cache import Cache, Cached, aged, question_of
from blockd.resolver.clients import Clients, packed_host
from blockd.resolver.exchange import Exchange, Outcome
from blockd.resolver.forwarder import Forwarder
from blockd.resolver.probe import Probed, asks_for_identity, identity
from blockd.resolver.query import Query, refusal
from blockd.resolver.records import behind_cname
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.ruleset.policy import first_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is enforced, with the answers made for it."""

    enforced: Enforced
    answers: BlockAnswers


Stage = Callable[[Exchange], bytes | Outcome]


class Pipeline:
    """Answers messages. `refuse_unready` is what happens before the first ruleset: SERVFAIL instead of resolving.

    `traffic` is where questions are sampled, where no engine before it does.
    """

    def __init__(
        self,
        *,
        clients: Clients,
        sinkhole: Sinkhole,
        cache: Cache,
        forwarder: Forwarder,
        row: Row,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        refuse_unready: bool,
        traffic: TrafficRow | None = None,
        probed: Probed | None = None,
        notified: Notified | None = None,
    ) -> None:
        self._traffic = traffic
        self.clients = clients
        self._probed = probed
        self._notified = notified
        self._sinkhole = sinkhole
        self._cache = cache
        self._forwarder = forwarder
        self._row = row
        self._clock = clock
        self._wall_clock = wall_clock
        self._refuse_unready = refuse_unready
        self._policy: Policy | None = None
        self._stages = self.stages()

    def stages(self) -> Sequence[Stage]:
        """Give the stages in their order."""
        return (
            self._serve_clients,  # first: a stranger costs one REFUSED, whatever else is wrong
            self._check_edns,  # before anything is said in an EDNS version that the client does not speak
            self._check_kind,  # before policy: what is not asked of the Internet's names is no matter of it
            self._decide,  # before the cache: a block, or its lifting, shows in the very next answer
            self._check_recursion,  # behind policy: a block is told to everybody; the cache to nobody who only peeks
            self._ask_cache,  # before upstreams: it is nearer
            self._ask_upstreams,  # the only stage that waits; one question in flight for all who ask it
            self._report_failure,  # behind it: silence of upstreams is told in words
            self._decide_where_it_leads,  # on every answer, cached or new: no way round by CNAME, SVCB or address
            self._reply,  # last: what the upstream said
        )

    def enforce(self, enforced: Enforced, answers: BlockAnswers) -> None:
        """Enforce another ruleset from the next message on, and let go of the one before."""
        old = self._policy
        self._policy = Policy(enforced, answers)
        if old is not None:
            old.enforced.close()

    def begin(self, packet: bytes, host: str, transport: Transport) -> bytes | Outcome | Exchange:
        """Answer what can be answered without waiting; give the exchange where an upstream must be asked.

        Nothing is counted for an exchange that is given back: `finish` does that when it has its answer.
        """
        if self._notified and is_notify(packet):
            return self._answer_notify(self._notified, packet, host, transport)
        probing = self._probed is not None and self._probed.probe.is_shown(packet)
        exchange = Exchange(packet, host, probing or self.clients.serves(host), probing)
        try:
            exchange.query = Query(packet, transport)
        except BadMessage as bad:
            self._row.query(transport)
            if bad.rcode is None or not exchange.served:
                return Outcome.SILENCE
            self._row.answer(bad.rcode)
            return refusal(packet, bad.rcode)
        outcome = self._run(exchange)
        return exchange if outcome is Outcome.WAIT else self._counted(exchange, outcome)

    async def finish(self, exchange: Exchange) -> bytes | None:
        """Answer an exchange that waits for an upstream; None where no answer is to be sent."""
        outcome: bytes | Outcome = Outcome.WAIT
        while outcome is Outcome.WAIT:
            lookup = exchange.lookup
            try:
                response = await self._forwarder.resolve(lookup)
                exchange.cached = self._cache.put(lookup, response, self._clock())
            except UpstreamFailure as failure:
                exchange.failure = failure
            outcome = self._run(exchange)
        counted = self._counted(exchange, outcome)
        return counted if isinstance(counted, bytes) else None

    def _answer_notify(self, notified: Notified, packet: bytes, host: str, transport: Transport) -> bytes | Outcome:
        """Answer a NOTIFY, which comes from a primary and not from a client."""
        self._row.query(transport)
        answer = notified.answer(packet, host)
        if answer is None:
            return Outcome.SILENCE
        self._row.answer(answer[3] & types.RCODE)
        return answer

    def _run(self, exchange: Exchange) -> bytes | Outcome:
        """Run the stages from where the exchange stands; a fault of ours costs this exchange a SERVFAIL, no more."""
        try:
            while True:
                outcome = self._stages[exchange.stage](exchange)
                if outcome is not Outcome.PASS:
                    return outcome
                exchange.stage += 1
        except (RulesetError, BadMessage) as fault:
            log.error("A question was answered with SERVFAIL: %s", fault)
        except Exception:
            log.exception("A question was answered with SERVFAIL for a fault of blockd's own; please report it.")
        return error(exchange.query, types.SERVFAIL)

    def _counted(self, exchange: Exchange, outcome: bytes | Outcome) -> bytes | Outcome:
        if exchange.probing:
            return outcome
        row = self._row
        row.query(exchange.query.transport)
        for slot in exchange.hits:
            row.hit(slot)
        if isinstance(outcome, bytes):
            row.answer(outcome[3] & types.RCODE | exchange.extended << 4)
        return outcome

    def _serve_clients(self, exchange: Exchange) -> bytes | Outcome:
        if exchange.served:
            return Outcome.PASS
        return error(exchange.query, types.REFUSED, types.EDE_PROHIBITED, "this network is not served here")

    def _check_edns(self, exchange: Exchange) -> bytes | Outcome:
        if exchange.query.version == 0:
            return Outcome.PASS
        exchange.extended = types.BADVERS >> 4
        return error(exchange.query, types.BADVERS)

    def _check_kind(self, exchange: Exchange) -> bytes | Outcome:
        query = exchange.query
        if query.qtype == types.OPT:
            return error(query, types.FORMERR)
        if exchange.probing and self._probed and asks_for_identity(query):
            return identity(query, self._probed.worker)
        if query.qclass != types.CLASS_IN or query.qtype in (types.AXFR, types.IXFR):
            return error(query, types.REFUSED)
        if self._traffic is not None and not exchange.probing:
            self._traffic.pass_by(query.key)
        return Outcome.PASS

    def _decide(self, exchange: Exchange) -> bytes | Outcome:
        policy = self._policy
        if policy is None:
            if not self._refuse_unready:
                return Outcome.PASS
            return error(exchange.query, types.SERVFAIL, types.EDE_NOT_READY, "no list is enforced yet")
        exchange.moment = policy.enforced.moment
        exchange.until = NEVER
        verdict = policy.enforced.verdict(exchange.query.key)
        if policy.enforced.asks_client and not exchange.probing:  # a self-test asks what holds for everybody
            verdict = first_of(policy.enforced.client_verdict(packed_host(exchange.host)), verdict)
        return self._apply(exchange, policy, verdict)

    def _check_recursion(self, exchange: Exchange) -> bytes | Outcome:
        if exchange.query.flags & types.RD:
            return Outcome.PASS
        return error(exchange.query, types.REFUSED)

    def _ask_cache(self, exchange: Exchange) -> bytes | Outcome:
        exchange.cached = self._cache.get(exchange.lookup, self._clock())
        if exchange.cached is not None:
            self._row.cache_hit()
        return Outcome.PASS

    def _ask_upstreams(self, exchange: Exchange) -> bytes | Outcome:
        return Outcome.PASS if exchange.cached or exchange.failure else Outcome.WAIT

    def _report_failure(self, exchange: Exchange) -> bytes | Outcome:
        failure = exchange.failure
        return error(exchange.query, types.SERVFAIL, failure.code, str(failure)) if failure else Outcome.PASS

    def _decide_where_it_leads(self, exchange: Exchange) -> bytes | Outcome:
        cached, policy = exchange.cached, self._policy
        if policy is not None and exchange.moment != policy.enforced.moment and exchange.target is None:
            exchange.hits.clear()  # what is enforced changed while an upstream was waited for
            exchange.verdict = NOT_LISTED
            if (outcome := self._decide(exchange)) is not Outcome.PASS:
                return outcome
            cached = exchange.cached
        tiers = exchange.verdict.tiers_left
        if cached is None or policy is None or exchange.target or not tiers:
            return Outcome.PASS
        if tiers != NO_TIER:
            verdict = _where_it_leads(policy.enforced, cached, tiers)
        else:
            moment = policy.enforced.moment
            if cached.moment != moment:
                cached.verdict = _where_it_leads(policy.enforced, cached, tiers)
                cached.moment = moment
            verdict = cached.verdict or NOT_LISTED
        return self._apply(exchange, policy, verdict)

    def _reply(self, exchange: Exchange) -> bytes | Outcome:
        query, cached = exchange.query, exchange.cached
        if cached is None:
            raise BadMessage(types.SERVFAIL, "there is nothing to reply")
        response = cached.response
        exchange.extended = response.rcode >> 4 if query.edns else 0
        left = time_left(exchange.until, self._wall_clock())
        if exchange.target is None:
            records = aged(cached, self._clock(), left)
            return answer(
                query, response.rcode, response.counts, records, errors=response.errors, authentic=response.authentic
            )
        asked = question_of(exchange.lookup)
        records = aged(cached, self._clock(), MAX_TTL)  # of a name that the order does not cover
        message = b"\0\0\x80\0\0\1" + b"".join(n.to_bytes(2) for n in response.counts) + asked + records
        count, records = behind_cname(query.question, exchange.target, min(self._sinkhole.ttl, left), message)
        return answer(query, response.rcode, (count, 0, 0), records, errors=exchange.errors)

    def _apply(self, exchange: Exchange, policy: Policy, verdict: Verdict) -> bytes | Outcome:
        """Do what a verdict says, and note the hit, and when it may be another one."""
        exchange.until = min(exchange.until, verdict.until)
        if verdict.action is None or verdict.order_index is None:
            return Outcome.PASS
        exchange.verdict = verdict
        exchange.hits.append(policy.enforced.states.hit_slots[verdict.order_index])
        if not verdict.touches or verdict.order is None:
            return Outcome.PASS
        if verdict.action is Action.TCP_ONLY and exchange.query.transport is not Transport.UDP:
            return Outcome.PASS
        if verdict.action is Action.CNAME:
            exchange.target = _target(verdict.order.cname, exchange.query.key)
            if len(exchange.target) >= MAX_NAME:
                exchange.target = None
                return error(exchange.query, types.YXDOMAIN)  # as RFC 6672 section 2.2 has it for a DNAME
            exchange.errors = policy.answers.errors(verdict)  # now: its order is this ruleset's
            if exchange.cached is not None:  # an answer leads here: go back and ask for the target instead
                exchange.cached = None
                exchange.stage = self._stages.index(self._ask_cache) - 1
            return Outcome.PASS
        given = policy.answers.give(exchange.query, verdict, time_left(exchange.until, self._wall_clock()))
        return Outcome.SILENCE if given is None else given


def _target(cname: str, key: bytes) -> bytes:
    """Give the key of the name that a CNAME action leads to; `*.x` puts what was asked for below x."""
    below = cname.removeprefix("*.")
    return key_from_text(below) + (key if below != cname else b"")


def _where_it_leads(enforced: Enforced, cached: Cached, tiers: int) -> Verdict:
    """Give the verdict on what an answer leads to, by the tiers before `tiers`; it may have no action.

    The first name that is listed decides; of the addresses the one whose tier is the earliest. What a zone lets pass
    ends the tiers there.
    """
    first: Verdict | None = None
    best: Verdict | None = None
    names = [(True, enforced.verdict(name)) for name in cached.response.names]
    addresses = [(False, enforced.address_verdict(address)) for address in cached.response.addresses]
    until = NEVER
    for is_name, verdict in (*names, *addresses):
        until = min(until, verdict.until)
        if verdict.action is None:
            continue
        if verdict.touches or verdict.reason is Reason.PASSED:
            if verdict.tier >= tiers:
                continue
            if verdict.touches and is_name:
                return verdict
            best, tiers = verdict, verdict.tier
        if not verdict.touches:
            first = first or verdict
    found = (best if best and best.touches else first) or NOT_LISTED
    return found if found.until == until else replace(found, until=until)
