# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The engine's answers, by policy or from an upstream's response, and their counting; the pipeline's stages in C.

It is one module, and longer than others may be: what it does for each question works on the same counters and records
and is inlined by the compiler, and a cut between them would cost calls for each question.
"""

import functools
import itertools
import struct

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from blockd.metrics import counters as layout
from blockd.names.translation import packed_translations
from blockd.orders import Action
from blockd.ruleset._leading import judge
from blockd.ruleset.leading import judge_by_table

from blockd.metrics._numbers cimport TRANSPORT_UDP
from blockd.metrics._recent cimport note_block
from blockd.orders._numbers cimport (
    ACTION_CNAME, ACTION_DROP, ACTION_NODATA, ACTION_NXDOMAIN, ACTION_REFUSED, ACTION_SINKHOLE, ACTION_TCP_ONLY, NEVER, NO_TIER,
)
from blockd.dns cimport _types as types
from blockd.resolver.engine._cache cimport LEAD_ADDRESS, LEAD_EXTRA, LEAD_EXTRA_ADDRESS, LEAD_NAME, Entry, NativeCache
from blockd.resolver.engine._extras cimport additional_at, has_extras
from blockd.resolver.engine._groups cimport group_of, groups_of
from blockd.dns._cursor cimport write_u16, write_u32
from blockd.resolver.engine._edge cimport Edge
from blockd.resolver.engine._message cimport Question, records_of, write_answer
from blockd.resolver.engine._moving cimport Moved, move_entry
from blockd.resolver.engine._stale cimport write_stale_error
from blockd.names._numbers cimport MAX_NAME
from blockd.resolver._numbers cimport ERRORS, RESPONSES, STALE_TTL
from blockd.resolver.engine._sockets cimport AF_INET, sockaddr, sockaddr_in, sockaddr_in6
from blockd.resolver.local._zones cimport (
    DEFERRED, ELSEWHERE, HELD, MAX_SOA, LocalFound, LocalSet, NativeLocalZones, Where,
)
from blockd.ruleset._leading cimport judge_leads
from blockd.ruleset._parties cimport RULED_ALLOWED, RULED_BROKEN, RULED_LISTED, RULED_NONE, Decision, undecided
from blockd.ruleset._table cimport Table

cdef enum:
    MAX_RECORD = 256  # octets of the sinkhole's and the SOA record
    ADDRESS_TTL_AT = 6  # in an address record, as in any that is owned by a pointer
    LOCAL_HEAD = 12  # octets of such a record before its data, the length of which comes last
    SOA_TTL_AT = 4  # in an SOA record without its owner, which ends with the other TTL

# The engine's numbers of actions; an action without an answer here is left to the pipeline.
ACTIONS = {action: place for place, action in enumerate(Action)}
cdef int _ACTION_COUNT = len(Action)
cdef uint64_t FOR_ALL = <uint64_t>-1  # who acts in decisions about what is not listed
cdef int _ANSWERS_AT = layout._ANSWERS
cdef int _BLOCKED_AT = layout._BLOCKED
cdef int _CACHE_HITS_AT = layout._CACHE_HITS
cdef int _CACHE_STALE_AT = layout._CACHE_STALE
cdef int _HITS_AT = layout._HITS
cdef int _LOCAL_AT = layout._LOCAL
cdef int _RECENT_AT = layout._RECENT
cdef uint32_t _MAX_HIT_SLOTS = layout.MAX_HIT_SLOTS
cdef int _KINDS = len(layout.HIT_KINDS)
cdef int _RCODES = layout.RCODES


cdef class Answering(Edge):
    """The ruleset in force and its answers; `service` is that of `options.py`, `row` the counters as 64-bit numbers."""

    def __init__(self, service, row):
        Edge.__init__(self, service, row)
        self.refuse_unready = service.refuse_unready
        self.client_ttl = service.client_ttl
        if service.local is not None:
            self.local = NativeLocalZones(service.local)

    def use_local(self, zones):
        """Answer from these local zones from the next message on."""
        self.local = NativeLocalZones(zones)

    def enforce(self, enforced, answers):
        """Enforce another ruleset from the next message on; its files stay mapped until the next one."""
        ruleset, states = enforced.ruleset, enforced.states
        orders = [record.order for record in ruleset.catalogue.orders]
        options = [answers.option(order, stale=stale) for order in orders for stale in (False, True)]
        places = [0, *itertools.accumulate(len(option) for option in options)]
        actions = bytes([ACTIONS[order.action] for order in orders])
        targets = [answers.followed_key(order) for order in orders]
        target_places = [0, *itertools.accumulate(len(target) for target in targets)]
        hidden = bytes(order.is_confidential for order in orders)
        errors, hit_slots = b"".join(options), struct.pack(f"={len(orders)}I", *states.hit_slots)
        error_places = struct.pack(f"={len(places)}I", *places)
        if max(len(answers.a), len(answers.aaaa), len(answers.soa)) > MAX_RECORD:
            raise ValueError("a record is too long")
        table = Table(
            ruleset.octets, ruleset.header, states.octets, actions, enforced.tiers, enforced.asks_client,
            enforced.lives, ruleset.salts, enforced.groups, enforced.packed_parties, enforced.parties.lifts,
            enforced.priorities.tobytes(), packed_translations(enforced.translations),
            enforced.feeds.tobytes(), enforced.lacking, len(enforced.client_groups),
        )
        four, six = map(enforced.client_groups.table.changes, (4, 6))
        in_place_of_sinkhole = ACTIONS[answers.in_place_of_sinkhole]
        # Nothing fails from here on: the ruleset and its answers change together.
        self._answers, self._orders, self.in_place_of_sinkhole = answers, orders, in_place_of_sinkhole
        self._errors, self._error_places, self._hit_slots = errors, error_places, hit_slots
        self._hidden, self.version = hidden, enforced.version
        self.hidden = <const uint8_t *><const char *>self._hidden
        self.errors = <const uint8_t *><const char *>self._errors
        self.error_places = <const uint32_t *><const char *>self._error_places
        self.hit_slots = <const uint32_t *><const char *>self._hit_slots
        self._targets = b"".join(targets)
        self._target_places = struct.pack(f"={len(target_places)}I", *target_places)
        self.targets = <const uint8_t *><const char *>self._targets
        self.target_places = <const uint32_t *><const char *>self._target_places
        self._a, self._aaaa, self._soa = answers.a, answers.aaaa, answers.soa
        self.a, self.a_size = <const uint8_t *><const char *>self._a, len(self._a)
        self.aaaa, self.aaaa_size = <const uint8_t *><const char *>self._aaaa, len(self._aaaa)
        self.soa, self.soa_size = <const uint8_t *><const char *>self._soa, len(self._soa)
        self.ttl = answers.ttl
        self._groups, self.groups = (four, six), groups_of(four, six)
        if self.table is not None:
            self.table.close()
        self.table = table
        self.table_number += 1

    def judge(self, enforced):
        """Return what judges where answers lead, by the ruleset that was just taken over."""
        return functools.partial(judge_by_table, enforced, functools.partial(judge, self.table))

    cdef void _turn_to(self, const sockaddr *client, Passed *passed) noexcept nogil:
        """Decide for a client's group from now on; a self-test asks for what applies to those in none."""
        passed.group = 0 if self.is_selftest else group_of(&self.groups, client)
        if self.table is not None:
            self.table.see_as(passed.group)

    cdef bint _is_decided(
        self, const Question *q, const sockaddr *client, Decision name, int transport, uint8_t *out, uint32_t *written,
        Result *result, Passed *passed,
    ) noexcept nogil:
        """Answer a question that policy decides, by the decision `name` about its name; else return how it passes."""
        cdef Decision decision
        passed.hit, passed.tiers, passed.passing, passed.until = -1, NO_TIER, False, NEVER
        passed.rule = undecided()
        result[0] = DECLINED
        if self.table is None:
            return self.refuse_unready
        decision = self._decided_for(q, client, name, &passed.rule)
        if decision.ruling == RULED_BROKEN:
            return True
        if decision.ruling == RULED_LISTED:
            result[0] = self._block_counted(q, &decision, transport, -1, out, written)
            return True
        if decision.ruling != RULED_NONE:
            passed.hit, passed.tiers, passed.passing = decision.order, decision.tiers_left, decision.passing
        passed.until = decision.until
        return False

    cdef uint32_t _left(self, int64_t until) noexcept nogil:
        """Return the whole seconds up to a moment, limited to what clients may cache.

        In the last second that is 0 and not 1: an answer must not be kept after it has ceased to be true.
        """
        cdef int64_t left = until - self.second
        return 0 if left < 0 else <uint32_t>left if left < self.client_ttl else self.client_ttl

    cdef Result _block_counted(
        self, const Question *q, const Decision *decision, int transport, int64_t first, uint8_t *out,
        uint32_t *written,
    ) noexcept nogil:
        """Answer a question for a listed name, and count it; `first` is an order that was hit before.

        A question that is not answered here is declined, never answered as something else.
        """
        cdef int rcode = types.NOERROR
        cdef uint32_t owner = 0
        cdef uint32_t errors_size
        cdef const uint8_t *errors = self._errors_of(q, decision.order, &errors_size)
        cdef uint8_t records[512]
        cdef uint8_t action = decision.action
        cdef uint32_t size, left = self._left(decision.until)
        if q.explains and action == ACTION_SINKHOLE:
            action = self.in_place_of_sinkhole
        if action == ACTION_DROP:
            self._count_block(transport, first, decision, -1)
            return SILENT
        if action == ACTION_REFUSED:
            rcode = types.REFUSED
            written[0] = write_answer(out, q, rcode, 0, 0, 0, records, 0, errors, errors_size, False, False)
        elif action == ACTION_TCP_ONLY and transport == TRANSPORT_UDP:
            written[0] = write_answer(out, q, rcode, 0, 0, 0, records, 0, errors, errors_size, False, True)
        elif action == ACTION_SINKHOLE and (q.qtype == types.A or q.qtype == types.AAAA):
            size = self._address_record(q.qtype, records)
            if left < self.ttl:
                write_u32(records + ADDRESS_TTL_AT, left)
            written[0] = write_answer(out, q, rcode, 1, 0, 0, records, size, errors, errors_size, False, False)
        elif action == ACTION_NODATA or action == ACTION_NXDOMAIN or action == ACTION_SINKHOLE:
            if action == ACTION_NXDOMAIN:
                rcode = types.NXDOMAIN
            if (
                decision.entry_size and decision.entry_size <= q.key_size
                and memcmp(q.key, decision.entry, decision.entry_size) == 0
            ):
                owner = q.key_size - decision.entry_size
            owner += types.POINTER << 8 | types.HEADER_SIZE
            records[0] = <uint8_t>(owner >> 8)
            records[1] = <uint8_t>owner
            memcpy(records + 2, self.soa, self.soa_size)
            if left < self.ttl:
                write_u32(records + 2 + SOA_TTL_AT, left)
                write_u32(records + 2 + self.soa_size - 4, left)
            written[0] = write_answer(
                out, q, rcode, 0, 1, 0, records, 2 + self.soa_size, errors, errors_size, False, False
            )
        else:
            if action == ACTION_CNAME:
                self.alias = decision[0]
            return DECLINED  # CNAME, LOCAL, and every action unknown here
        self._count_block(transport, first, decision, rcode)
        return ANSWERED

    cdef Result _alias(
        self, NativeCache cache, const Question *q, int transport, uint8_t *out, uint32_t *written, double now
    ) noexcept nogil:
        """Answer a question that was declined with the alias of its order, if the cache has its target."""
        cdef uint8_t key[512]
        cdef uint32_t order = self.alias.order
        cdef uint32_t errors_size
        cdef uint32_t place = self.target_places[order], size = self.target_places[order + 1] - place, i, ttl, age
        cdef uint32_t left = self._left(self.alias.until)
        cdef const uint8_t *errors
        cdef uint8_t *records
        cdef bint cd = (q.flags & types.CD) != 0
        cdef Entry *entry
        cdef Moved moved
        if size == 0 or not q.flags & types.RD or q.qtype == types.CNAME or q.qtype == types.ANY:
            return DECLINED
        size -= 1
        memcpy(key, self.targets + place + 1, size)
        if self.targets[place]:
            memcpy(key + size, q.key, q.key_size)
            size += q.key_size
        if size >= MAX_NAME or (size == q.key_size and memcmp(key, q.key, size) == 0):
            return DECLINED
        memset(key + size, 0, 8)  # the hash reads words
        entry = cache.find(cache.hash_of(key, size, q.qtype, q.do_, cd), key, size, q.qtype, q.do_, cd, now)
        if entry == NULL or not move_entry(&moved, q, entry, key, size, self.ttl if self.ttl < left else left):
            return DECLINED
        errors = self._errors_of(q, order, &errors_size)
        records = moved.octets + moved.start
        age = <uint32_t>(now - entry.stored) if now > entry.stored else 0
        for i in range(min(entry.ttl_count, moved.records)):
            ttl = entry.ttls[i * 2 + 1]
            if ttl > entry.ceiling:
                ttl = entry.ceiling
            ttl = ttl - age if ttl > age else 0
            write_u32(records + entry.ttls[i * 2], ttl if ttl < self.client_ttl else self.client_ttl)
        written[0] = write_answer(
            out, q, entry.rcode, 1 + moved.answers, moved.authorities, 0, moved.octets, moved.size, errors,
            errors_size, False, False,
        )
        if not self.is_selftest:
            self.row[_CACHE_HITS_AT] += 1
        self._count_block(transport, -1, &self.alias, entry.rcode)
        if now >= entry.refresh_at and not self.is_selftest:
            self._refresh(entry, now)
        return ANSWERED

    cdef const uint8_t *_errors_of(self, const Question *q, uint32_t order, uint32_t *size) noexcept nogil:
        """Return the EDE option of an order, and its size; those in JSON are made once they are asked for."""
        cdef bint is_stale = self.table.stale[order] & 1
        cdef uint32_t option = order * 2 + is_stale, place = self.error_places[option]
        if not q.explains:
            size[0] = self.error_places[option + 1] - place
            return self.errors + place
        size[0] = 0
        with gil:  # they are kept where they are made
            made = self._answers.option_of(order, self._orders[order], stale=is_stale, explains=True)
            size[0] = len(made)
            return <const uint8_t *><const char *>(<bytes>made)

    cdef void _refresh(self, Entry *entry, double now) noexcept nogil:
        """Ask for an entry that is used often anew; nothing here asks upstreams."""

    cdef bint _is_local(
        self, const Question *q, int transport, const Passed *passed, uint8_t *out, uint32_t *written, Result *result,
    ) noexcept nogil:
        """Answer a question that the cache has no answer to if it is in a local zone.

        Return whether the engine is done with it: what else is in local zones, or in forwarded ones, is declined.
        """
        cdef LocalFound found
        cdef Decision decision
        cdef const LocalSet *held
        cdef Where where
        cdef uint8_t records[2 + MAX_SOA]
        cdef uint8_t *at
        cdef uint32_t _record, left
        result[0] = DECLINED
        if self.local is None:
            return False
        where = self.local.look(q.key, q.key_size, q.qtype, &found)
        if where == ELSEWHERE:
            return False
        if where == DEFERRED:
            return True
        left = self._left(passed.until)
        if where == HELD:
            held = found.held
            if self.table is not None and passed.tiers and held.leads_size:
                self._begin_judging(q, passed)
                decision = judge_leads(self.table, held.leads, held.leads_size, LEAD_NAME, LEAD_ADDRESS)
                if decision.ruling != RULED_NONE:
                    return True  # the pipeline acts on it
                left = self._left(decision.until if decision.until < passed.until else passed.until)
            written[0] = write_answer(
                out, q, found.rcode, held.count, 0, 0, held.records, held.size, found.zone.errors,
                found.zone.errors_size, False, False,
            )
            if left < held.ttl and not out[2] & types.TC >> 8:  # not truncated: the records follow the question
                at = out + types.HEADER_SIZE + q.section_size
                for _record in range(held.count):
                    write_u32(at + ADDRESS_TTL_AT, left)
                    at += LOCAL_HEAD + (at[LOCAL_HEAD - 2] << 8 | at[LOCAL_HEAD - 1])
        else:
            write_u16(records, types.POINTER << 8 | types.HEADER_SIZE + q.key_size - found.zone.size)
            memcpy(records + 2, found.zone.soa, found.zone.soa_size)
            if left < found.zone.ttl:
                write_u32(records + 2 + SOA_TTL_AT, left)
                write_u32(records + 2 + found.zone.soa_size - 4, left)
            written[0] = write_answer(
                out, q, found.rcode, 0, 1, 0, records, 2 + found.zone.soa_size, found.zone.errors,
                found.zone.errors_size, False, False,
            )
        out[2] |= types.AA >> 8
        self._count(transport, passed.hit, -1, found.rcode)
        if not self.is_selftest:
            self.row[_LOCAL_AT + found.zone.kind] += 1
        result[0] = ANSWERED
        return True

    cdef uint32_t _address_record(self, uint16_t qtype, uint8_t *out) noexcept nogil:
        if qtype == types.A:
            memcpy(out, self.a, self.a_size)
            return self.a_size
        memcpy(out, self.aaaa, self.aaaa_size)
        return self.aaaa_size

    cdef Result _from_entry(
        self, const Question *q, Entry *entry, int transport, const Passed *passed, int origin, uint8_t *out,
        uint32_t *written, double now,
    ) noexcept nogil:
        """Answer with an upstream's response, unless it leads to an entry of a tier that may still act.

        A stale one has TTLs of its own, an Extended DNS Error that says so, and no AD: signatures may have expired.
        """
        cdef int64_t second = -1, until = passed.until
        cdef Decision decision
        cdef uint32_t size, i, ttl, age, left
        cdef Result result
        cdef uint8_t *records
        cdef uint32_t additional = entry.counts[2], ttl_count = entry.ttl_count, records_size = entry.records_size
        cdef const uint8_t *errors = entry.errors
        cdef uint32_t errors_size = entry.errors_size
        cdef uint8_t stale[types.EDE_CODE_ONLY]
        if origin == STALE:
            write_stale_error(stale, entry.rcode)
            errors, errors_size = stale, types.EDE_CODE_ONLY
        if self.table is not None and passed.tiers and entry.leads_size:
            self._judge(q, entry, passed)
            decision = entry.decision
            until = decision.until = decision.until if decision.until < until else until
            if decision.ruling == RULED_BROKEN or entry.extras.ruling == RULED_BROKEN:
                return DECLINED
            if entry.extras.ruling == RULED_LISTED and entry.extras.action >= _ACTION_COUNT:
                return DECLINED
            if decision.ruling == RULED_LISTED:
                result = self._block_counted(q, &decision, transport, passed.hit, out, written)
                if result != DECLINED and origin == FROM_CACHE and not self.is_selftest:
                    self.row[_CACHE_HITS_AT] += 1
                if result != DECLINED or decision.action != ACTION_TCP_ONLY:
                    return result
            if decision.ruling != RULED_NONE:
                second = decision.order
            if entry.extras.ruling == RULED_LISTED and (
                transport == TRANSPORT_UDP or entry.extras.action != ACTION_TCP_ONLY
            ):
                additional = 0
                ttl_count, records_size = entry.counts[0] + entry.counts[1], additional_at(entry)
            elif entry.extras.until < until:
                until = entry.extras.until
        size = types.HEADER_SIZE + q.section_size
        written[0] = write_answer(
            out, q, entry.rcode, entry.counts[0], entry.counts[1], additional, entry.records,
            records_size, errors, errors_size, entry.authentic and origin != STALE, False,
        )
        records = out + size
        age = <uint32_t>(now - entry.stored) if now > entry.stored else 0
        left = self._left(until)
        for i in range(min(ttl_count, records_of(out, q))):  # the answer may have the first ones only
            ttl = entry.ttls[i * 2 + 1]
            if ttl > entry.ceiling:
                ttl = entry.ceiling
            ttl = STALE_TTL if origin == STALE else ttl - age if ttl > age else 0
            write_u32(records + entry.ttls[i * 2], ttl if ttl < left else left)
        if not self.is_selftest:
            if origin == FROM_CACHE:
                self.row[_CACHE_HITS_AT] += 1
            elif origin == STALE:
                self.row[_CACHE_STALE_AT] += 1
        self._count(transport, passed.hit, second, entry.rcode)
        return ANSWERED

    cdef void _judge(self, const Question *q, Entry *entry, const Passed *passed) noexcept nogil:
        """Set an entry's decisions about what it leads to, and about its additional section where that does not lead.

        They are kept with it, for this ruleset, its orders' states, the client's group, and those who act by the
        decision about the question; if nothing of what it leads to is listed, for all clients.
        """
        cdef uint64_t moment = self.table_number << 32 | self.table.epoch()
        cdef uint64_t acting = passed.tiers | <uint64_t>passed.group << 9
        if passed.passing:
            acting |= 1 << 8
            if passed.rule.ruling != RULED_NONE:
                acting |= (<uint64_t>passed.rule.order + 1) << 16
        if entry.judged_by == moment and (entry.judged_for == acting or entry.judged_for == FOR_ALL):
            return
        self.is_costly, self.table.is_met = True, False
        self._begin_judging(q, passed)
        entry.decision = judge_leads(self.table, entry.leads, entry.leads_size, LEAD_NAME, LEAD_ADDRESS)
        entry.extras = undecided()
        if entry.counts[2] and has_extras(entry):
            self._begin_judging(q, passed)
            entry.extras = judge_leads(self.table, entry.leads, entry.leads_size, LEAD_EXTRA, LEAD_EXTRA_ADDRESS)
        entry.judged_by, entry.judged_for = moment, acting if self.table.is_met else FOR_ALL

    cdef void _begin_judging(self, const Question *q, const Passed *passed) noexcept nogil:
        """Begin to decide about an answer, by those whom the decision about the question lets act."""
        self.table.see_as(passed.group)  # another client may have been answered meanwhile
        self.table.begin_answer(passed.tiers)
        if self.table.are_several and passed.passing:
            if passed.rule.ruling != RULED_NONE:
                self.table.decide_ruled(q.key, q.key_size, q.ends, q.labels, &passed.rule)
            else:
                self.table.decide(q.key, q.key_size, q.ends, q.labels)
            self.table.pass_over()

    cdef Decision _decided_for(
        self, const Question *q, const sockaddr *client, Decision name, Decision *rule
    ) noexcept nogil:
        """Return the decision about a client's question, given that about the name, as `Enforced.verdict` does.

        `rule` is set to the rule for the client if the operator's decision may rest on it.
        """
        cdef Decision found
        if not self.table.asks_client or self.is_selftest or name.ruling == RULED_BROKEN:
            return name  # a self-test asks for what applies to everybody
        if client.sa_family == AF_INET:
            found = self.table.decide_client(<const uint8_t *>&(<const sockaddr_in *>client).sin_addr, 4)
        else:
            found = self.table.decide_client(<const uint8_t *>&(<const sockaddr_in6 *>client).sin6_addr, 16)
        if found.ruling == RULED_BROKEN:
            return found
        if found.tier == NO_TIER:
            return found if name.ruling == RULED_NONE and found.ruling != RULED_NONE else name
        cdef int64_t until = found.until if found.until < name.until else name.until
        if self.table.are_several:
            rule[0] = found
            name = self.table.decide_ruled(q.key, q.key_size, q.ends, q.labels, rule)
        elif name.ruling != RULED_ALLOWED and found.tier <= name.tier:
            name = found
        name.until = until
        return name

    cdef void _count(self, int transport, int64_t hit, int64_t second, int rcode) noexcept nogil:
        """Count a question, the orders that it hit, and its answer; rcode -1 for no answer."""
        if self.is_selftest:
            return
        self.row[transport] += 1
        if hit >= 0:
            self._count_hit(<uint32_t>hit)
        if second >= 0:
            self._count_hit(<uint32_t>second)
        self.rcode = rcode
        self.kind = RESPONSES if rcode == types.NOERROR or rcode == types.NXDOMAIN else ERRORS

    cdef void _count_block(self, int transport, int64_t first, const Decision *decision, int rcode) noexcept nogil:
        """Count a question that an order stops, and note it among the recent blocks; the rest is as in `_count`."""
        self._count(transport, first, decision.order, rcode)
        if not self.is_selftest:
            self.row[_BLOCKED_AT] += 1
            note_block(
                &self.row[_RECENT_AT], self.second, self.version, decision.order, decision.action, transport,
                decision.entry, decision.entry_size, self.hidden[decision.order],
            )

    cdef void _count_hit(self, uint32_t order) noexcept nogil:
        cdef uint32_t slot = self.hit_slots[order]
        if slot >= _MAX_HIT_SLOTS:
            slot = 0
        self.row[_HITS_AT + slot * _KINDS] += 1
