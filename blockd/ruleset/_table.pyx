# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The mapped ruleset as the engine reads it: the same file and the same rules as `mapped.py` and `policy.py`.

Every offset is checked against its section before it is followed, every loop has a bound. It is one module, and longer
than others may be: a cut within what a lookup does for each name would cost calls for each name of each question.
"""

cimport cython

import struct

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from blockd.ruleset.states import stale_place

from blockd.names._numbers cimport (
    KEY_CLIENT_IPV4, KEY_CLIENT_IPV6, KEY_HASHED, KEY_IPV4, KEY_IPV6, MAPPED_BITS, MAX_KEY, MAX_LABELS, MAX_SALT,
)
from blockd.names._translation cimport Translation, ipv4_within
from blockd.orders._numbers cimport (
    ACTION_ALLOW, ACTION_MONITOR, ACTION_PASSTHRU, NEVER, NO_TIER, SCOPE_EXACT, SCOPE_SUBDOMAINS, STATE_IN_FORCE,
    STATE_PENDING,
)
from blockd.ruleset._blake2s cimport B2_BLOCK, B2_DIGEST, B2State, b2_block, b2_end, b2_start
from blockd.ruleset._numbers cimport (
    BUCKET_SIZE, ENTRY_SIZE, EPOCH_AT, MAX_CLAIMS, MAX_HASHED_LABELS, MAX_PROBES, MAX_SALTS, MIN_HASHED_LABELS,
    OFFSETS_AT, OPERATOR, PUSHED_AT, SCOPE_BITS, SLOTS, STATES_AT, USED_AT,
)
from blockd.ruleset._parties cimport (
    RULED_ALLOWED, RULED_BROKEN, RULED_LISTED, RULED_MONITORED, RULED_NONE, RULED_PASSED, Decision, Life, PartyDecisions,
    undecided,
)
from blockd.ruleset._prefetch cimport blockd_prefetch
from blockd.ruleset._siphash cimport SipState, sip_end, sip_start, sip_word, siphash13

cdef enum:
    NOT_FOUND = -1
    BROKEN = -2
    HASHED_SIZE = B2_DIGEST + 1
    ZONE_WORDS = 2  # 64-bit words with a bit for each tier of a zone
    CLOSED = ZONE_WORDS + 4  # behind them, words with a bit for each group of orders with exceptions

@cython.final
cdef class Table(PartyDecisions):
    """A ruleset and the states of its orders, held mapped until `close`; then every decision is RULED_BROKEN.

    `octets` and `states` are the two files' content, `header` the ruleset's. `actions` has one octet for each order,
    the place of its action in `blockd.orders.Action`; `tiers` another, as returned by `tiers_of`; `asks_client` says
    whether networks of clients are listed. `lives` has two 64-bit numbers for each order, the seconds from which and
    until which it is in force; it is empty if no date matters. `salts` are those that names are hashed under. `groups`
    has one octet for each order, as returned by `groups_of`; it is empty if there are no exceptions. `parties` has 16
    bits for each order, the number of its party, and `lifts` for each order the numbers of the parties that its party
    may lift; both are empty if there is one party only. `priorities` has 32 bits for each order, its feed's place by
    priority, and `translations` is the result of `packed_translations`. The rest is for `take_feeds`.
    """

    def __init__(
        self, octets, header, states, actions, tiers, asks_client=False, lives=b"", salts=(), groups=b"", parties=b"",
        lifts=(), priorities=b"", translations=b"", feeds=b"", lacking=b"", client_groups=0,
    ):
        self._octets, self._states, self._actions, self._tiers = octets, states, actions, tiers
        self._view = octets
        self._state_view = states
        self.base = &self._view[0]
        self.buckets = self.base + <uint64_t>header.table.offset
        self.records = self.base + <uint64_t>header.records.offset
        self.claims = self.base + <uint64_t>header.claims.offset
        self.bucket_count = header.buckets
        self.records_size = header.records.size
        self.claim_words = header.claims.size // 4
        self.orders = len(actions)
        if len(tiers) != self.orders or (groups and len(groups) != self.orders):
            raise ValueError("each order has a tier, and each has a group or none has")
        if self._view.shape[0] < header.records.offset + header.records.size:
            raise ValueError("the file is shorter than its header says")
        cdef uint64_t stale_at = stale_place(self.orders)
        if <uint64_t>self._state_view.shape[0] < stale_at + self.orders:
            raise ValueError("the states are shorter than the orders")
        self._lives = lives or struct.pack("=2q", 0, NEVER) * self.orders
        if len(self._lives) != self.orders * sizeof(Life):
            raise ValueError("each order has two dates")
        self.lives = <const Life *><const char *>self._lives
        self.epoch_at = &self._state_view[EPOCH_AT]
        self.states = &self._state_view[STATES_AT] if self.orders else NULL
        self.stale = &self._state_view[stale_at] if self.orders else NULL
        self.actions = <const uint8_t *><char *>(<bytes>actions)
        self.tiers = <const uint8_t *><char *>(<bytes>tiers)
        self._groups = groups
        self.groups = <const uint8_t *><const char *>self._groups if any(groups) else NULL
        self.first_tier = min(tiers, default=NO_TIER)
        self.may_allow = ACTION_ALLOW in actions
        self.k0 = int.from_bytes(header.hash_key[:8], "little")
        self.k1 = int.from_bytes(header.hash_key[8:], "little")
        self.max_labels = min(header.max_labels, MAX_LABELS)
        self._priorities = priorities or bytes(self.orders * sizeof(uint32_t))
        if len(self._priorities) != self.orders * sizeof(uint32_t):
            raise ValueError("each order has a priority")
        self.priorities = <const uint32_t *><const char *>self._priorities
        self._take_lengths(header)
        if len(translations) > sizeof(self.translations) or len(translations) % sizeof(Translation):
            raise ValueError("there are too many prefixes of translation, or one is cut")
        memcpy(self.translations, <const char *>(<bytes>translations), len(translations))
        self.translation_count = len(translations) // sizeof(Translation)
        self._take_salts(salts)
        self.asks_client = asks_client
        if parties:
            self.take_parties(bytes(parties), lifts, self.orders)
        self.take_feeds(feeds, lacking, client_groups, self.orders)

    def _take_lengths(self, header):
        cdef bytes four = bytes(length for length in range(32, -1, -1) if header.ipv4_prefixes >> length & 1)
        cdef bytes six = bytes(length for length in range(128, -1, -1) if header.ipv6_prefixes >> length & 1)
        self.ipv4_count, self.ipv6_count = len(four), len(six)
        memcpy(self.ipv4_lengths, <const char *>four, self.ipv4_count)
        memcpy(self.ipv6_lengths, <const char *>six, self.ipv6_count)

    def _take_salts(self, salts):
        cdef bytes salt
        if len(salts) > MAX_SALTS:
            raise ValueError("there are too many salts")
        for number, salt in enumerate(salts):
            if not 1 <= len(salt) <= MAX_SALT:
                raise ValueError(f"a salt has 1 to {MAX_SALT} octets")
            b2_start(&self.salts[<int>number], <const uint8_t *><const char *>salt, <uint32_t>len(salt))
        self.salt_count = len(salts)

    def close(self):
        """Release both files."""
        self.bucket_count = 0
        self.epoch_at = NULL
        self._view = self._state_view = None

    def verdict(self, bytes key, uint32_t group=0):
        """Return what is decided about a name's key for a group, in the form of `_told`; used to test the twin."""
        self.see_as(group)
        return _told(self.decide_key(key, len(key)))

    def address_verdict(self, bytes packed, uint32_t group=0):
        """Return the same for an address of 4 or 16 octets in an answer."""
        self.see_as(group)
        return _told(self.decide_address(packed, len(packed)))

    def client_verdict(self, bytes packed, uint32_t group=0):
        """Return the same for a client's address."""
        self.see_as(group)
        return _told(self.decide_client(packed, len(packed)))

    cdef uint32_t epoch(self) noexcept nogil:
        return _u32(self.epoch_at) if self.epoch_at != NULL else 0

    cdef int64_t find(self, const uint8_t *key, uint32_t size, uint64_t hashed, const uint8_t **entry) noexcept nogil:
        """Return the place of the claim set of exactly this key, NOT_FOUND or BROKEN; set `entry` to its key."""
        cdef uint64_t bucket = ((hashed >> 32) * self.bucket_count) >> 32
        cdef uint16_t tag = <uint16_t>hashed
        cdef uint16_t here
        cdef uint32_t offset, length
        cdef const uint8_t *line
        cdef int _probe, slot, used
        if self.bucket_count == 0:
            return BROKEN
        for _probe in range(MAX_PROBES):
            line = self.buckets + bucket * BUCKET_SIZE
            used = line[USED_AT]
            if used > SLOTS:
                return BROKEN
            for slot in range(used):
                memcpy(&here, line + slot * 2, 2)
                if here != tag:
                    continue
                offset = _u32(line + OFFSETS_AT + slot * 4)
                if <uint64_t>offset + ENTRY_SIZE > self.records_size:
                    return BROKEN
                length = self.records[offset + 4]
                if length == 0 or <uint64_t>offset + ENTRY_SIZE + length > self.records_size:
                    return BROKEN
                if length == size and memcmp(self.records + offset + ENTRY_SIZE, key, size) == 0:
                    entry[0] = self.records + offset + ENTRY_SIZE
                    return _u32(self.records + offset)
            if not line[PUSHED_AT]:
                return NOT_FOUND
            bucket += 1
            if bucket == self.bucket_count:
                bucket = 0
        return NOT_FOUND

    cdef Decision decide(self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels) noexcept nogil:
        """Decide about a name; `ends` has where each of its `labels` ends in the key, from the root down.

        The key must be readable 8 octets beyond its end.
        """
        cdef uint64_t hashes[MAX_LABELS]
        return self.decide_hashed(key, size, ends, labels, hashes, self.hash_suffixes(key, ends, labels, hashes))

    cdef int hash_suffixes(
        self, const uint8_t *key, const uint16_t *ends, int labels, uint64_t *hashes
    ) noexcept nogil:
        """Hash every suffix that may be listed, from the root down, prefetch their buckets, and return how many.

        A decision in three steps, `hash_suffixes`, `approach` and `decide_hashed`, lets the cache misses of several
        names overlap.
        """
        cdef SipState state
        cdef uint64_t word
        cdef uint32_t at = 0, end
        cdef int label
        cdef int looked = labels if labels < <int>self.max_labels else <int>self.max_labels
        sip_start(&state, self.k0, self.k1)
        for label in range(looked):
            end = ends[label]
            while at + 8 <= end:
                memcpy(&word, key + at, 8)
                sip_word(&state, word)
                at += 8
            hashes[label] = sip_end(state, key + at, end)
            blockd_prefetch(self.buckets + (((hashes[label] >> 32) * self.bucket_count) >> 32) * BUCKET_SIZE)
        return looked

    cdef bint approach(self, const uint64_t *hashes, int count) noexcept nogil:
        """Prefetch the records that `decide_hashed` will compare; return whether there are any."""
        cdef const uint8_t *line
        cdef uint16_t here
        cdef uint32_t offset
        cdef int label, slot
        cdef bint any_found = False
        if self.bucket_count == 0:
            return False
        for label in range(count):
            line = self.buckets + (((hashes[label] >> 32) * self.bucket_count) >> 32) * BUCKET_SIZE
            for slot in range(line[USED_AT] if line[USED_AT] < SLOTS else SLOTS):
                memcpy(&here, line + slot * 2, 2)
                if here == <uint16_t>hashes[label]:
                    offset = _u32(line + OFFSETS_AT + slot * 4)
                    if offset < self.records_size:
                        blockd_prefetch(self.records + offset)
                        any_found = True
        return any_found

    cdef Decision decide_hashed(
        self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const uint64_t *hashes, int count
    ) noexcept nogil:
        """Decide about a name whose first `count` suffixes were hashed by `hash_suffixes`."""
        cdef uint32_t end
        cdef int label
        cdef uint64_t closed[CLOSED]
        cdef Decision found = undecided()
        if self.are_several:
            self.begin()
        if self.salt_count:
            return self._decide_salted(key, size, ends, labels, hashes, count)
        memset(closed, 0, sizeof(closed))
        for label in range(count - 1, -1, -1):
            end = ends[label]
            if self._weigh(key, end, hashes[label], SCOPE_EXACT if end == size else SCOPE_SUBDOMAINS, &found, closed):
                break
        self._end(&found)
        return found

    cdef Decision _decide_salted(
        self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const uint64_t *hashes, int count
    ) noexcept nogil:
        """Decide as `decide_hashed` does, with the entries that are hashes of names included."""
        cdef uint8_t keys[MAX_HASHED_LABELS][MAX_SALTS][HASHED_SIZE]
        cdef uint64_t hashed[MAX_HASHED_LABELS][MAX_SALTS]
        cdef Claims sets[MAX_SALTS + 1]
        cdef B2State state
        cdef uint64_t closed[CLOSED]
        cdef Decision found = undecided()
        cdef uint8_t *salted
        cdef uint32_t at, end
        cdef int salt, label, used, last = labels if labels < MAX_HASHED_LABELS else MAX_HASHED_LABELS
        for salt in range(self.salt_count):
            state = self.salts[salt]
            at = 0
            for label in range(MIN_HASHED_LABELS - 1, last):
                end = ends[label]
                while end - at > B2_BLOCK:
                    b2_block(&state, key + at)
                    at += B2_BLOCK
                salted = keys[label][salt]
                salted[0] = KEY_HASHED
                b2_end(state, key + at, end - at, salted + 1)
                hashed[label][salt] = siphash13(self.k0, self.k1, salted, HASHED_SIZE)
                blockd_prefetch(self.buckets + (((hashed[label][salt] >> 32) * self.bucket_count) >> 32) * BUCKET_SIZE)
        memset(closed, 0, sizeof(closed))
        for label in range((last if last > count else count) - 1, -1, -1):
            end = ends[label]
            used = 0
            if label < count:
                used += self._take_claims(key, end, hashes[label], &sets[used], &found)
            if MIN_HASHED_LABELS <= label + 1 <= last:
                for salt in range(self.salt_count):
                    used += self._take_claims(keys[label][salt], HASHED_SIZE, hashed[label][salt], &sets[used], &found)
            if found.ruling == RULED_BROKEN:
                break
            if used and self._weigh_claims(sets, used, SCOPE_EXACT if end == size else SCOPE_SUBDOMAINS, &found, closed):
                break
        self._end(&found)
        return found

    cdef void _end(self, Decision *found) noexcept nogil:
        """Decide between the parties, lower `until` to the end of the order that decides, and say who acts further."""
        if self.are_several and found.ruling == RULED_NONE:
            self.settle(found)
        elif found.ruling == RULED_LISTED or found.ruling == RULED_ALLOWED or found.ruling == RULED_PASSED:
            if self.lives[found.order].end < found.until:
                found.until = self.lives[found.order].end
            if found.ruling == RULED_ALLOWED:
                found.tiers_left = 0
            elif found.ruling == RULED_PASSED or found.tier & 1:
                found.tiers_left = found.tier

    cdef Decision decide_key(self, const uint8_t *key, uint32_t size) noexcept nogil:
        """Decide about a name, given its key only."""
        cdef uint8_t padded[264]
        cdef uint16_t ends[MAX_LABELS]
        cdef uint32_t at = 0
        cdef int labels = 0
        cdef Decision nothing = undecided()
        if size > MAX_KEY:
            return nothing
        while at < size and labels < MAX_LABELS:
            at += 1 + key[at]
            if at > size:
                return nothing
            ends[labels] = at
            labels += 1
        memcpy(padded, key, size)
        return self.decide(padded, size, ends, labels)

    cdef Decision decide_address(self, const uint8_t *packed, uint32_t size) noexcept nogil:
        """Decide about an address that an answer leads to, and about the IPv4 address within it."""
        cdef uint8_t within[4]
        cdef Prefixes six = prefixes_of(KEY_IPV6, 0, packed, 16, self.ipv6_lengths, self.ipv6_count)
        cdef Prefixes four = prefixes_of(KEY_IPV4, MAPPED_BITS, packed, 4, self.ipv4_lengths, self.ipv4_count)
        if size == 4:
            six.count = 0
        elif size == 16 and ipv4_within(self.translations, self.translation_count, packed, within):
            four.packed = within
        else:
            four.count = 0
        return self._decide_networks(&six, &four) if size == 4 or size == 16 else undecided()

    cdef Decision decide_client(self, const uint8_t *packed, uint32_t size) noexcept nogil:
        """Decide about a client's address; the prefix lengths of such networks are among those of IPv6."""
        cdef uint8_t kind = KEY_CLIENT_IPV4 if size == 4 else KEY_CLIENT_IPV6
        cdef Prefixes own = prefixes_of(kind, 0, packed, size, self.ipv6_lengths, self.ipv6_count)
        cdef Prefixes none = prefixes_of(kind, 0, packed, size, self.ipv6_lengths, 0)
        if not self.asks_client or (size != 4 and size != 16):
            return undecided()
        return self._decide_networks(&own, &none)

    cdef Decision _decide_networks(self, const Prefixes *one, const Prefixes *other) noexcept nogil:
        """Decide by the networks of two kinds that contain an address, the longest prefix first."""
        cdef uint64_t closed[CLOSED]
        cdef Claims sets[2]
        cdef Decision found = undecided()
        cdef uint32_t i = 0, j = 0
        cdef int bits, other_bits, used
        cdef bint may_be_seen = self.seen.is_kept and (one.count == 0 or other.count == 0)
        memset(closed, 0, sizeof(closed))
        if self.are_several:
            self.begin()
        while i < one.count or j < other.count:
            bits = one.lengths[i] + one.added if i < one.count else -1
            other_bits = other.lengths[j] + other.added if j < other.count else -1
            used = 0
            if bits >= other_bits:
                used += self._take_network(one, one.lengths[i], &sets[used], &found)
                i += 1
            if other_bits >= bits:
                used += self._take_network(other, other.lengths[j], &sets[used], &found)
                j += 1
            if found.ruling == RULED_BROKEN or (used and may_be_seen and is_seen(&self.seen, sets[0].entry)):
                break
            may_be_seen = may_be_seen and not used
            if used and self._weigh_claims(sets, used, SCOPE_EXACT | SCOPE_SUBDOMAINS, &found, closed):
                break
        self._end(&found)
        return found

    cdef inline int _take_network(self, const Prefixes *of, int bits, Claims *claims, Decision *found) noexcept nogil:
        """Set `claims` to those on the network of `bits` that holds an address; return whether there are any."""
        cdef uint8_t key[32]
        cdef uint32_t octet = bits // 8
        if bits > <int>of.size * 8:
            return False
        memset(key, 0, sizeof(key))
        key[0] = of.kind
        key[1] = bits
        memcpy(key + 2, of.packed, octet)
        if bits % 8:
            key[2 + octet] = of.packed[octet] & <uint8_t>(0xFF << (8 - bits % 8))
        return self._take_claims(key, of.size + 2, siphash13(self.k0, self.k1, key, of.size + 2), claims, found)

    cdef inline bint _weigh(
        self, const uint8_t *key, uint32_t size, uint64_t hashed, int scope, Decision *found, uint64_t *closed
    ) noexcept nogil:
        """Weigh the claims on one entry, best first; return whether no further entry can change the decision."""
        cdef Claims claims
        if self._take_claims(key, size, hashed, &claims, found):
            return self._weigh_claims(&claims, 1, scope, found, closed)
        return found.ruling == RULED_BROKEN

    cdef inline bint _take_claims(
        self, const uint8_t *key, uint32_t size, uint64_t hashed, Claims *claims, Decision *found
    ) noexcept nogil:
        """Set `claims` to those on exactly this key; False if there are none or the file is broken (see `found`)."""
        cdef int64_t place = self.find(key, size, hashed, &claims.entry)
        if place == NOT_FOUND:
            return False
        if place >= 0 and <uint64_t>place < self.claim_words:
            claims.size = size
            claims.left = _u32(self.claims + place * 4)
            claims.next = self.claims + (place + 1) * 4
            if 0 < claims.left <= MAX_CLAIMS and <uint64_t>place + claims.left < self.claim_words:
                return True
        found.ruling = RULED_BROKEN
        return False

    cdef inline bint _weigh_claims(
        self, Claims *sets, int count, int scope, Decision *found, uint64_t *closed
    ) noexcept nogil:
        """Weigh the claims of several entries for one name as if they were one entry's.

        `closed` has a bit for each policy zone that lists a longer name: its wildcards do not match any more. Behind
        them it has a bit for each group of orders of which an exception covers the name: no more of them do.
        """
        cdef Claims *first
        cdef uint32_t claim, order
        cdef uint8_t action, tier
        cdef uint64_t closing[CLOSED]
        cdef bint has_groups = self.groups != NULL
        cdef uint8_t group
        cdef int word
        memset(closing, 0, sizeof(closing))
        self.is_met = True
        while True:
            first = sets if count == 1 else _first(sets, count)
            if first.left == 0:
                break
            claim = _u32(first.next)
            first.next += 4
            first.left -= 1
            order = claim >> SCOPE_BITS
            if order >= self.orders:
                found.ruling = RULED_BROKEN
                return True
            if self.lacks != NULL and self.lacks[self.feeds[order]]:
                continue
            action = self.actions[order]
            if self.states[order] != STATE_IN_FORCE:
                if (
                    self.states[order] == STATE_PENDING and claim & scope and action != ACTION_MONITOR
                    and self.lives[order].begin < found.until
                ):
                    found.until = self.lives[order].begin
                continue
            tier = self.tiers[order]
            if tier & 1:
                if closed[tier >> 7] >> (tier >> 1 & 63) & 1:
                    continue
                closing[tier >> 7] |= <uint64_t>1 << (tier >> 1 & 63)
            if not claim & scope:
                continue
            if has_groups and self.groups[order]:
                group = self.groups[order]
                if closed[ZONE_WORDS + (group >> 6)] >> (group & 63) & 1:
                    continue
                if action == ACTION_PASSTHRU:
                    closing[ZONE_WORDS + (group >> 6)] |= <uint64_t>1 << (group & 63)
                    continue
            if self.are_several and (action != ACTION_ALLOW or self.parties[order] != OPERATOR):
                self.consider(order, action, tier, first.entry, first.size)
                continue
            if action == ACTION_ALLOW:
                _set(found, RULED_ALLOWED, order, first, action)
                return True
            if action == ACTION_MONITOR:
                if found.ruling == RULED_NONE:
                    _set(found, RULED_MONITORED, order, first, action)
            elif tier < found.tier:
                _set(found, RULED_PASSED if action == ACTION_PASSTHRU else RULED_LISTED, order, first, action)
                found.tier = tier
                if tier == self.first_tier and not self.may_allow:
                    return True
        for word in range(CLOSED if has_groups else ZONE_WORDS):
            closed[word] |= closing[word]
        self.step += 1
        return False

    cdef Decision decide_ruled(
        self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const Decision *rule
    ) noexcept nogil:
        """Decide about a name as `decide` does, where the operator decides by `rule` unless an earlier tier does."""
        cdef Decision found
        self.rule = rule
        found = self.decide(key, size, ends, labels)
        self.rule = NULL
        return found
