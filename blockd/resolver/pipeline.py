"""The query pipeline: all stages that a message passes, in one list, each with the reason for its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from blockd.dns import types
from blockd.errors import BadMessage, RulesetError
from blockd.metrics import Transport
from blockd.orders import NEVER, Action, Verdict
from blockd.resolver.admission import Admission
from blockd.resolver.answers import BlockAnswers, Policy, answer, authoritative, error, time_left
from blockd.resolver.cache import Cache
from blockd.resolver.caching.caching_forwarder import CachingForwarder, UpstreamAsker
from blockd.resolver.caching.stale import as_given
from blockd.resolver.clients import Clients, keys_of, packed_host
from blockd.resolver.composing.aliases import answer_behind
from blockd.resolver.composing.extras import additional_at, left_out
from blockd.resolver.composing.moving import LEADS_BACK
from blockd.resolver.counting import count
from blockd.resolver.edge.reply_options import ReplyOptions
from blockd.resolver.edge.sending import Sending
from blockd.resolver.edge.strangers import Outsiders
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.local.local_answer import LocalAnswer, as_cached, behind_aliases, local_answer
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.options import CacheOptions, Instruments, Service
from blockd.resolver.query import Query, is_notify, refusal
from blockd.resolver.query_context import Outcome, QueryContext
from blockd.resolver.records import error_option
from blockd.resolver.waiting import Turns
from blockd.ruleset import Enforced
from blockd.ruleset.leading import LeadJudge

log = logging.getLogger(__name__)

Stage = Callable[[QueryContext], bytes | Outcome]


class Pipeline:
    """Answers messages."""

    def __init__(
        self, service: Service, cache: Cache, options: CacheOptions, forwarder: UpstreamAsker, instruments: Instruments
    ) -> None:
        """`instruments` have no traffic row if an engine in front of the pipeline samples questions."""
        self.clients = Clients(service.served, service.asks_for_many, service.proxies)
        self._service = service
        self._cache = cache
        self._caching = CachingForwarder(forwarder, cache, instruments.clock, instruments.row)
        self._stale_after = options.stale_after
        self._row = instruments.row
        self._admission = Admission(service, instruments.traffic)
        self._sending = Sending(service.limiter, self.clients, instruments.clock, instruments.row)
        self._options = ReplyOptions(service.cookies, instruments.wall_clock, service.server_id)
        self._outsiders = Outsiders(self.clients, self._sending, instruments.row)
        self._clock = instruments.clock
        self._wall_clock = instruments.wall_clock
        self._policy: Policy | None = None
        self._turns = Turns()
        self._stages = self.stages()

    def stages(self) -> Sequence[Stage]:
        """Return the stages in their order."""
        return (
            self._admission.check_edns,  # before any answer in an EDNS version that the client does not support
            self._admission.refuse_own,  # before anything is asked for it again
            self._admission.give_cookie,  # before anything that has to do with a name
            self._admission.check_kind,  # before policy, which applies to class IN and ordinary types only
            self._decide,  # before the cache: a block, or its lifting, takes effect in the very next answer
            self._check_recursion,  # after policy: everybody may see a block, but cache snooping is refused
            self._ask_cache,  # before upstreams: it is faster
            self._answer_locally,  # after the cache, which is asked far more often, and never has what is answered here
            self._ask_upstreams,  # the only stage that waits; one flight for equal questions
            self._decide_anew,  # after it: what is enforced may have changed meanwhile, and goes before any failure
            self._report_failure,  # then: an entry that has expired is given for a failure, else its reason
            self._go_behind_aliases,  # before what they lead to is judged, with them
            self._decide_where_it_leads,  # for every answer: CNAME, SVCB and addresses do not bypass policy
            self._reply,  # last: the upstream's response
        )

    def enforce(self, enforced: Enforced, answers: BlockAnswers, judge: LeadJudge) -> None:
        """Enforce another ruleset from the next message on, and let go of the one before."""
        old, self._policy = self._policy, Policy(enforced, answers, judge)
        if old is not None:
            old.enforced.close()

    def use_local(self, local: LocalZones) -> None:
        """Answer from these local zones from the next message on."""
        self._service = replace(self._service, local=local)

    def begin(self, packet: bytes, host: str, transport: Transport, idle: float = 0) -> bytes | Outcome | QueryContext:
        """Answer what can be answered without waiting; return its context if an upstream must be asked.

        `idle` is how many seconds the client's connection may be idle. A context is not counted yet: see `finish`.
        """
        service = self._service
        if service.notify is not None and is_notify(packet):
            return self._outsiders.answer_notify(service.notify, packet, host, transport)
        selftest = service.selftest.key if service.selftest is not None else None
        is_selftest = selftest is not None and selftest.is_shown(packet)
        is_unjudged = is_selftest and selftest is not None and selftest.is_unjudged(packet)
        if not is_selftest and not self.clients.serves(host):
            return self._outsiders.refuse(packet, host, transport)
        context = QueryContext(packet, host, is_selftest, is_unjudged)
        try:
            context.query = Query(packet, transport, service.client_option)
        except BadMessage as bad:
            self._row.query(transport)
            if bad.rcode is None:
                return Outcome.SILENCE
            return self._sending.sent(refusal(packet, bad.rcode), bad.rcode, host, transport)
        self._options.prepare(context.query, host, idle)
        outcome = self._run(context)
        return context if outcome is Outcome.WAIT else self._counted(context, outcome)

    async def finish(self, context: QueryContext) -> bytes | None:
        """Answer a message that waits for an upstream; None if no answer is to be sent."""
        outcome: bytes | Outcome = Outcome.WAIT
        while outcome is Outcome.WAIT:
            lookup = context.lookup
            # A lookup's question is about what upstreams say now.
            stale = None if context.is_unjudged else self._cache.get_stale(lookup, self._clock())
            said = await self._caching.resolve(lookup, self._stale_after if stale else None, keys_of(context.host)[0])
            if isinstance(said, Failure):
                context.failure = said
            else:
                context.cached, context.is_stale = said or stale, said is None
            await self._turns.take()
            outcome = self._run(context)
        counted = self._counted(context, outcome)
        return counted if isinstance(counted, bytes) else None

    def give_up(self, context: QueryContext, reason: str) -> bytes | None:
        """Answer a message that would have to wait, and may not, with SERVFAIL and an EDE with a reason."""
        context.failure = Failure(types.EDE_NETWORK_ERROR, reason)
        counted = self._counted(context, self._run(context))
        return counted if isinstance(counted, bytes) else None

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
        count(self._row, context, self._policy.enforced.version if self._policy else 0, self._wall_clock)
        if isinstance(outcome, bytes):
            rcode = outcome[3] & types.RCODE | context.extended << 4
            return self._sending.sent(outcome, rcode, context.host, context.query.transport, context.query)
        return outcome

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
        client = b"" if context.is_selftest else packed_host(context.host)  # a self-test is in no group
        context.group = policy.enforced.client_groups.number_of(client)
        return self._apply(context, policy, policy.enforced.seen_by(context.group).verdict(context.query.key, client))

    def _check_recursion(self, context: QueryContext) -> bytes | Outcome:
        if context.query.flags & types.RD or context.is_answered_by(self._service.local):
            return Outcome.PASS
        return error(context.query, types.REFUSED)

    def _ask_cache(self, context: QueryContext) -> bytes | Outcome:
        if context.is_unjudged:
            return Outcome.PASS  # asked anew, so that the next answers from the cache are of the same response
        context.cached = self._caching.get(context.lookup, refreshes=not context.is_selftest)
        context.asked_cache, context.is_stale = True, False
        return Outcome.PASS

    def _answer_locally(self, context: QueryContext) -> bytes | Outcome:
        zones, lookup = self._service.local, context.lookup
        if zones is None or context.cached or context.aliases:
            return Outcome.PASS
        left = self._time_left(context) if context.target is None else self._service.client_ttl
        found = local_answer(zones, lookup[0], context.query.qtype, left)
        if found is None:
            return Outcome.PASS
        if found.aliases:  # out of all local zones: go back and ask for what they lead to
            context.aliases = found.aliases
            context.stage = self._stages.index(self._ask_cache) - 1
            return Outcome.PASS
        if context.target is not None:  # a CNAME action leads here
            context.cached, context.local = as_cached(lookup, found, self._clock()), found.zone
            return Outcome.PASS
        verdict, policy = context.verdict, self._policy
        if (found.names or found.addresses) and policy is not None and verdict.tiers_left and not context.is_unjudged:
            leads = policy.judge(found.names, found.addresses, verdict.tiers_left, verdict.passing, context.group)
            context.cached = as_cached(lookup, LocalAnswer(found.zone), self._clock())  # none of its records is given
            outcome = self._apply(context, policy, leads)
            if outcome is not Outcome.PASS or context.target is not None:
                return outcome
            context.cached = None
            found = local_answer(zones, lookup[0], context.query.qtype, self._time_left(context)) or found
        context.local = found.zone
        return authoritative(answer(context.query, found.rcode, found.counts, found.records, errors=found.zone.errors))

    def _ask_upstreams(self, context: QueryContext) -> bytes | Outcome:
        if context.cached or context.failure:
            return Outcome.PASS
        context.asked_upstreams = True
        return Outcome.WAIT

    def _report_failure(self, context: QueryContext) -> bytes | Outcome:
        failure, cached = context.failure, context.cached
        if cached is not None and not cached.response.failed:
            return Outcome.PASS
        stale = None if context.is_unjudged else self._cache.get_stale(context.lookup, self._clock())
        if stale is not None:  # RFC 8767 section 5
            context.cached, context.failure, context.is_stale = stale, None, True
            return Outcome.PASS
        if failure is None:
            return Outcome.PASS
        errors = context.errors + error_option(failure.code, failure.text)
        return answer(context.query, types.SERVFAIL, errors=errors)

    def _go_behind_aliases(self, context: QueryContext) -> bytes | Outcome:
        if not context.aliases or context.cached is None:
            return Outcome.PASS
        left = self._time_left(context) if context.target is None else self._service.client_ttl
        try:
            context.cached = behind_aliases(
                context.query, context.start, context.aliases, left, context.cached, self._clock()
            )
        except BadMessage as bad:  # an upstream's fault, and nobody's error here
            errors = context.errors + error_option(types.EDE_OTHER, str(bad))
            return answer(context.query, types.SERVFAIL, errors=errors)
        context.aliases = ()
        return Outcome.PASS

    def _decide_where_it_leads(self, context: QueryContext) -> bytes | Outcome:
        cached, policy = context.cached, self._policy
        tiers, passing = context.verdict.tiers_left, context.verdict.passing
        if context.is_unjudged or cached is None or policy is None or context.target or not tiers:
            return Outcome.PASS
        acting = policy.enforced.moment, tiers, passing, context.group
        if cached.judged_by != acting:
            response = cached.response
            cached.verdict = policy.judge(response.names, response.addresses, *acting[1:])
            cached.extras = left_out(response, policy.judge, *acting[1:])
            cached.judged_by = acting
        outcome = self._apply(context, policy, cached.verdict)
        if outcome is Outcome.PASS and not context.target:
            self._judge_extras(context, cached.extras)
        return outcome

    def _judge_extras(self, context: QueryContext, verdict: Verdict) -> None:
        """Note whether the answer is given without its additional section, and else until when it may be given."""
        is_over_tcp = context.query.transport is not Transport.UDP
        context.leaves_extras_out = verdict.touches and not (is_over_tcp and verdict.action is Action.TCP_ONLY)
        if not context.leaves_extras_out:
            context.until = min(context.until, verdict.until)

    def _decide_anew(self, context: QueryContext) -> bytes | Outcome:
        """Decide about the question again, since what is enforced changed while an upstream was waited for."""
        policy, target, cached = self._policy, context.target, context.cached
        if context.is_unjudged or policy is None or context.moment == policy.enforced.moment:
            return Outcome.PASS
        context.decide_anew()
        outcome = self._decide(context)
        if context.target == target:
            context.cached = cached
        else:  # what was answered is not what is asked for now
            context.failure, context.aliases = None, ()
            context.stage = self._stages.index(self._ask_cache) - 1
        return outcome

    def _reply(self, context: QueryContext) -> bytes | Outcome:
        query, cached = context.query, context.cached
        if cached is None:
            raise BadMessage(types.SERVFAIL, "no answer is available")
        response = cached.response
        context.extended = response.rcode >> 4 if query.edns else 0
        left = self._time_left(context)
        is_own = context.target is None or context.target == query.key
        most = left if is_own else self._service.client_ttl  # the order does not cover the target
        records, errors, authentic = as_given(cached, self._clock(), most, is_stale=context.is_stale)
        if context.is_stale and not context.is_selftest:
            self._row.cache_stale()
        if context.target is None or is_own:
            counts = response.counts
            if context.leaves_extras_out:
                records, counts = records[: additional_at(response)], (counts[0], counts[1], 0)
            return answer(query, response.rcode, counts, records, errors=errors, authentic=authentic)
        ttl = min(self._service.sinkhole.ttl, left)
        return answer_behind(query, context.target, cached, records, ttl=ttl, errors=context.errors, said=errors)

    def _time_left(self, context: QueryContext) -> int:
        """Return for how many seconds clients may cache the answer."""
        return time_left(context.until, self._wall_clock(), self._service.client_ttl)

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
        context.stopped = verdict
        target = policy.answers.followed(context.query, verdict)
        if target is not None:
            return self._follow(context, target, policy.answers.errors(verdict, explains=context.query.explains))
        given = policy.answers.give(context.query, verdict, self._time_left(context))
        return Outcome.SILENCE if given is None else given

    def _follow(self, context: QueryContext, target: bytes, errors: bytes) -> bytes | Outcome:
        """Go on with the target of a CNAME action; `errors` is the EDE option that names its order."""
        leads_here = context.cached is not None
        context.target, context.errors, context.aliases = target, errors, ()
        if target == context.query.key:
            if leads_here:  # what is asked for leads to what is listed, and that back
                return answer(context.query, types.SERVFAIL, errors=errors + error_option(types.EDE_OTHER, LEADS_BACK))
            context.hits.pop()
            context.stopped = None  # nothing is blocked: the name is where the order leads to
        if leads_here:  # go back, and ask for the target instead
            context.cached = None
            context.stage = self._stages.index(self._ask_cache) - 1
        return Outcome.PASS
