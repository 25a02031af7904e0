"""The query pipeline: all stages that a message passes, in one list, each with the reason for its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from blockd.dns import types
from blockd.errors import BadMessage, RulesetError, UpstreamFailure
from blockd.metrics import Transport
from blockd.names import MAX_NAME
from blockd.orders import NEVER, NO_TIER, Action, Verdict
from blockd.resolver.answers import BlockAnswers, answer, error, target_of, time_left
from blockd.resolver.cache import Cache, Cached, CacheKey, aged, question_of
from blockd.resolver.clients import Clients, packed_host
from blockd.resolver.options import Instruments, NotifyHandler, Service
from blockd.resolver.query import Query, is_notify, refusal
from blockd.resolver.query_context import Outcome, QueryContext
from blockd.resolver.records import behind_cname
from blockd.resolver.response import Response
from blockd.resolver.selftest_key import asks_for_identity, identity_answer
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.ruleset.leading import where_it_leads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """The ruleset in force, with the answers made for it."""

    enforced: Enforced
    answers: BlockAnswers


Stage = Callable[[QueryContext], bytes | Outcome]


class Forwarding(Protocol):
    """Asks upstreams."""

    async def resolve(self, key: CacheKey) -> Response:
        """Return the upstreams' response, which may be SERVFAIL; raises UpstreamFailure if there is none to pass on."""


class Pipeline:
    """Answers messages."""

    def __init__(self, service: Service, cache: Cache, forwarder: Forwarding, instruments: Instruments) -> None:
        """`instruments` have no traffic row if an engine in front of the pipeline samples questions."""
        self.clients = Clients(service.networks)
        self._service = service
        self._cache = cache
        self._forwarder = forwarder
        self._row = instruments.row
        self._traffic = instruments.traffic
        self._clock = instruments.clock
        self._wall_clock = instruments.wall_clock
        self._policy: Policy | None = None
        self._stages = self.stages()

    def stages(self) -> Sequence[Stage]:
        """Return the stages in their order."""
        return (
            self._serve_clients,  # first: a client that is not served gets REFUSED, whatever else is wrong
            self._check_edns,  # before any answer in an EDNS version that the client does not support
            self._check_kind,  # before policy, which applies to class IN and ordinary types only
            self._decide,  # before the cache: a block, or its lifting, takes effect in the very next answer
            self._check_recursion,  # after policy: everybody may see a block, but cache snooping is refused
            self._ask_cache,  # before upstreams: it is faster
            self._ask_upstreams,  # the only stage that waits; one flight for equal questions
            self._report_failure,  # after it: a failure of upstreams is answered with its reason
            self._decide_where_it_leads,  # for every answer: CNAME, SVCB and addresses do not bypass policy
            self._reply,  # last: the upstream's response
        )

    def enforce(self, enforced: Enforced, answers: BlockAnswers) -> None:
        """Enforce another ruleset from the next message on, and let go of the one before."""
        old = self._policy
        self._policy = Policy(enforced, answers)
        if old is not None:
            old.enforced.close()

    def begin(self, packet: bytes, host: str, transport: Transport) -> bytes | Outcome | QueryContext:
        """Answer what can be answered without waiting; return its context if an upstream must be asked.

        Nothing is counted for a returned context: `finish` does that when it has its answer.
        """
        service = self._service
        if service.notify is not None and is_notify(packet):
            return self._answer_notify(service.notify, packet, host, transport)
        selftest = service.selftest.key if service.selftest is not None else None
        is_selftest = selftest is not None and selftest.is_shown(packet)
        is_unjudged = is_selftest and selftest is not None and selftest.is_unjudged(packet)
        context = QueryContext(packet, host, is_selftest or self.clients.serves(host), is_selftest, is_unjudged)
        try:
            context.query = Query(packet, transport)
        except BadMessage as bad:
            self._row.query(transport)
            if bad.rcode is None or not context.served:
                return Outcome.SILENCE
            self._row.answer(bad.rcode)
            return refusal(packet, bad.rcode)
        outcome = self._run(context)
        return context if outcome is Outcome.WAIT else self._counted(context, outcome)

    async def finish(self, context: QueryContext) -> bytes | None:
        """Answer a message that waits for an upstream; None if no answer is to be sent."""
        outcome: bytes | Outcome = Outcome.WAIT
        while outcome is Outcome.WAIT:
            lookup = context.lookup
            try:
                response = await self._forwarder.resolve(lookup)
                context.cached = self._cache.put(lookup, response, self._clock())
            except UpstreamFailure as failure:
                context.failure = failure
            outcome = self._run(context)
        counted = self._counted(context, outcome)
        return counted if isinstance(counted, bytes) else None

    def keep(self, key: CacheKey, response: Response) -> None:
        """Cache a response that came when nobody waited for it any more."""
        self._cache.put(key, response, self._clock())

    def _answer_notify(self, handler: NotifyHandler, packet: bytes, host: str, transport: Transport) -> bytes | Outcome:
        """Answer a NOTIFY, which comes from a primary and not from a client."""
        self._row.query(transport)
        answer = handler.answer(packet, host)
        if answer is None:
            return Outcome.SILENCE
        self._row.answer(answer[3] & types.RCODE)
        return answer

    def _run(self, context: QueryContext) -> bytes | Outcome:
        """Run the stages from the context's current one; an internal error costs this question a SERVFAIL, no more."""
        try:
            while True:
                outcome = self._stages[context.stage](context)
                if outcome is not Outcome.PASS:
                    return outcome
                context.stage += 1
        except (RulesetError, BadMessage) as fault:
            log.error("A question was answered with SERVFAIL: %s", fault)
        except Exception:
            log.exception("A question was answered with SERVFAIL because of an internal error; please report it.")
        return error(context.query, types.SERVFAIL)

    def _counted(self, context: QueryContext, outcome: bytes | Outcome) -> bytes | Outcome:
        if context.is_selftest:
            return outcome
        row = self._row
        row.query(context.query.transport)
        for slot in context.hits:
            row.hit(slot)
        if context.asked_upstreams:
            row.cache_miss()
        elif context.asked_cache:
            row.cache_hit()
        if isinstance(outcome, bytes):
            row.answer(outcome[3] & types.RCODE | context.extended << 4)
        return outcome

    def _serve_clients(self, context: QueryContext) -> bytes | Outcome:
        if context.served:
            return Outcome.PASS
        return error(context.query, types.REFUSED, types.EDE_PROHIBITED, "this network is not served here")

    def _check_edns(self, context: QueryContext) -> bytes | Outcome:
        if context.query.version == 0:
            return Outcome.PASS
        context.extended = types.BADVERS >> 4
        return error(context.query, types.BADVERS)

    def _check_kind(self, context: QueryContext) -> bytes | Outcome:
        query = context.query
        if query.qtype == types.OPT:
            return error(query, types.FORMERR)
        if context.is_selftest and self._service.selftest and asks_for_identity(query):
            return identity_answer(query, self._service.selftest.worker)
        if query.qclass != types.CLASS_IN or query.qtype in (types.AXFR, types.IXFR):
            return error(query, types.REFUSED)
        if self._traffic is not None and not context.is_selftest:
            self._traffic.pass_by(query.key)
        return Outcome.PASS

    def _decide(self, context: QueryContext) -> bytes | Outcome:
        policy = self._policy
        if context.is_unjudged:
            return Outcome.PASS
        if policy is None:
            if not self._service.refuse_unready:
                return Outcome.PASS
            return error(context.query, types.SERVFAIL, types.EDE_NOT_READY, "no list is enforced yet")
        context.moment = policy.enforced.moment
        context.until = NEVER
        asks_client = policy.enforced.asks_client and not context.is_selftest  # a self-test: what applies to everybody
        verdict = policy.enforced.verdict(context.query.key, packed_host(context.host) if asks_client else b"")
        return self._apply(context, policy, verdict)

    def _check_recursion(self, context: QueryContext) -> bytes | Outcome:
        if context.query.flags & types.RD:
            return Outcome.PASS
        return error(context.query, types.REFUSED)

    def _ask_cache(self, context: QueryContext) -> bytes | Outcome:
        if context.is_unjudged:
            return Outcome.PASS  # asked anew, so that the next answers from the cache are of the same response
        context.cached = self._cache.get(context.lookup, self._clock())
        context.asked_cache = True
        return Outcome.PASS

    def _ask_upstreams(self, context: QueryContext) -> bytes | Outcome:
        if context.cached or context.failure:
            return Outcome.PASS
        context.asked_upstreams = True
        return Outcome.WAIT

    def _report_failure(self, context: QueryContext) -> bytes | Outcome:
        failure = context.failure
        return error(context.query, types.SERVFAIL, failure.code, str(failure)) if failure else Outcome.PASS

    def _decide_where_it_leads(self, context: QueryContext) -> bytes | Outcome:
        cached, policy = context.cached, self._policy
        if context.is_unjudged:
            return Outcome.PASS
        if policy is not None and context.moment != policy.enforced.moment and context.target is None:
            context.hits.clear()  # what is enforced changed while an upstream was waited for
            context.verdict = NOT_LISTED
            if (outcome := self._decide(context)) is not Outcome.PASS:
                return outcome
            cached = context.cached
        tiers, passing = context.verdict.tiers_left, context.verdict.passing
        if cached is None or policy is None or context.target or not tiers:
            return Outcome.PASS
        if tiers != NO_TIER or passing:
            verdict = _where_it_leads(policy.enforced, cached, context.verdict)
        else:
            moment = policy.enforced.moment
            if cached.moment != moment:
                cached.verdict = _where_it_leads(policy.enforced, cached, context.verdict)
                cached.moment = moment
            verdict = cached.verdict or NOT_LISTED
        return self._apply(context, policy, verdict)

    def _reply(self, context: QueryContext) -> bytes | Outcome:
        query, cached = context.query, context.cached
        if cached is None:
            raise BadMessage(types.SERVFAIL, "no answer is available")
        response = cached.response
        context.extended = response.rcode >> 4 if query.edns else 0
        left = time_left(context.until, self._wall_clock())
        if context.target is None:
            records = aged(cached, self._clock(), left)
            return answer(
                query, response.rcode, response.counts, records, errors=response.errors, authentic=response.authentic
            )
        asked = question_of(context.lookup)
        records = aged(cached, self._clock(), types.MAX_TTL)  # of a name that the order does not cover
        message = b"\0\0\x80\0\0\1" + b"".join(n.to_bytes(2) for n in response.counts) + asked + records
        count, records = behind_cname(query.question, context.target, min(self._service.sinkhole.ttl, left), message)
        return answer(query, response.rcode, (count, 0, 0), records, errors=context.errors)

    def _apply(self, context: QueryContext, policy: Policy, verdict: Verdict) -> bytes | Outcome:
        """Apply a verdict; note the hit, and until when the verdict holds."""
        context.until = min(context.until, verdict.until)
        if verdict.action is None or verdict.order_index is None:
            return Outcome.PASS
        context.verdict = verdict
        context.hits.append(policy.enforced.states.hit_slots[verdict.order_index])
        if not verdict.touches or verdict.order is None:
            return Outcome.PASS
        if verdict.action is Action.TCP_ONLY and context.query.transport is not Transport.UDP:
            return Outcome.PASS
        if verdict.action is Action.CNAME and not verdict.order.records:
            context.target = target_of(verdict.order, context.query.key)
            if len(context.target) >= MAX_NAME:
                context.target = None
                return error(context.query, types.YXDOMAIN)  # as for a DNAME, RFC 6672 section 2.2
            context.errors = policy.answers.errors(verdict)  # now: its order is this ruleset's
            if context.cached is not None:  # an answer leads here: go back and ask for the target instead
                context.cached = None
                context.stage = self._stages.index(self._ask_cache) - 1
            return Outcome.PASS
        given = policy.answers.give(context.query, verdict, time_left(context.until, self._wall_clock()))
        return Outcome.SILENCE if given is None else given


def _where_it_leads(enforced: Enforced, cached: Cached, asked: Verdict) -> Verdict:
    """Return the verdict on what an answer leads to, given that on the question."""
    response = cached.response
    return where_it_leads(enforced, response.names, response.addresses, asked.tiers_left, asked.passing)
