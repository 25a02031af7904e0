# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The judgement of what an answer leads to: the twin of `leading.py`."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from blockd.orders import Reason

from blockd.orders._numbers cimport NEVER, NO_TIER
from blockd.ruleset._parties cimport RULED_BROKEN, RULED_LISTED, RULED_NONE, Decision, undecided
from blockd.ruleset._table cimport Table

cdef enum:
    NAMES = 0  # kinds of leads
    ADDRESSES = 1

# By the numbers of rulings; a broken file has none.
_REASONS = (Reason.NOT_LISTED, Reason.ALLOWED, Reason.MONITORED, Reason.LISTED, None, Reason.PASSED)


cdef Decision judge_leads(
    Table table, const uint8_t *leads, uint32_t size, int names, int addresses
) noexcept nogil:
    """Decide about what an answer leads to, by those who act since `begin_answer`.

    The first name behind which nothing changes the decision is the last one that is looked at.
    `leads` has a kind, a size and that many octets, one after the other; those of the kinds `names` and `addresses`
    are judged. Each is looked up once, and addresses again if any of them is listed; of addresses whose longest listed
    network is the same, one is judged, as all that is listed of them is the same.
    """
    cdef Decision found
    cdef Decision first = undecided()
    cdef uint32_t at = 0, place = 0
    cdef int64_t until = NEVER
    cdef uint8_t tier, earliest = NO_TIER
    cdef bint is_any_listed = False
    while at + 2 <= size:
        if leads[at] == names:
            found = table.decide_key(leads + at + 2, leads[at + 1])
            if found.ruling == RULED_BROKEN:
                return found
            until = min(until, found.until)
            found = table.follow(found, place, True, 0)
            place += 1
            if first.ruling == RULED_NONE and found.ruling != RULED_LISTED:
                first = found
            if table.is_final(table.first_tier):
                found = table.decide_answer()
                found.until = until
                return found
        at += 2 + leads[at + 1]
    at = 0
    table.seen.count, table.seen.is_kept = 0, True
    while at + 2 <= size:
        if leads[at] == addresses:
            found = table.decide_address(leads + at + 2, leads[at + 1])
            if found.ruling == RULED_BROKEN:
                table.seen.is_kept = False
                return found
            until = min(until, found.until)
            is_any_listed = is_any_listed or found.ruling != RULED_NONE
            tier = table.own_tier(&found)
            earliest = min(earliest, tier)
        at += 2 + leads[at + 1]
    if is_any_listed:
        table.seen.count = 0
        found = _judge_addresses(table, leads, size, addresses, place, earliest)
        if first.ruling == RULED_NONE:
            first = found
    table.seen.is_kept = False
    found = table.decide_answer()
    if found.ruling == RULED_NONE:
        found = first
    found.until = until
    return found


cdef Decision _judge_addresses(
    Table table, const uint8_t *leads, uint32_t size, int addresses, uint32_t place, uint8_t earliest
) noexcept nogil:
    """Note what each party decides by addresses, the operator by a tier; return what only counts or lets pass."""
    cdef Decision found
    cdef Decision quiet = undecided()
    cdef uint32_t at = 0
    while at + 2 <= size:
        if leads[at] == addresses:
            found = table.decide_address(leads + at + 2, leads[at + 1])
            found = table.follow(found, place, False, earliest)
            if found.ruling != RULED_NONE and found.ruling != RULED_LISTED:
                if quiet.ruling == RULED_NONE or table.is_before(found.entry, found.order, quiet.entry, quiet.order):
                    quiet = found
        at += 2 + leads[at + 1]
    return quiet


def judge(Table table, names, addresses, int tiers, passing, int group=0):
    """Return the verdict of `leading.where_it_leads`, as (reason, order, entry's key, tier, until).

    The reason is None if the file is inconsistent; the order is 0 and the key empty if no order decides.
    """
    cdef bytes leads = b"".join(bytes((NAMES, len(name))) + name for name in names)
    leads += b"".join(bytes((ADDRESSES, len(address))) + address for address in addresses)
    cdef Decision found
    cdef uint16_t party
    table.see_as(group)
    table.begin_answer(tiers)
    if table.are_several:
        for party in passing:
            if party < table.party_count:
                table.passed[party] = table.answer_number
    found = judge_leads(table, <const uint8_t *><const char *>leads, <uint32_t>len(leads), NAMES, ADDRESSES)
    key = found.entry[:found.entry_size] if found.ruling != RULED_NONE and found.entry_size else b""
    return _REASONS[<int>found.ruling], found.order, key, found.tier, found.until
