# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Which records of a message fit its question, and those written anew: `reading/fitting.py` and `writing.py` in C."""

from libc.string cimport memcpy

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport write_u16
from blockd.resolver._numbers cimport MAX_EXTRA_ADDRESSES, MAX_EXTRAS, MAX_NAMES, MAX_STEPS, REACH
from blockd.resolver.engine._names cimport NAME_ROOT, is_at_or_below, mark_upwards, number_names, same_label


cdef bint _is_service(uint16_t qtype) noexcept nogil:
    return qtype == types.SVCB or qtype == types.HTTPS


cdef uint16_t target_of(const Record *record) noexcept nogil:
    """Return the first name in a record's data; of an SVCB record that names the root, its owner."""
    if record.names.node[0] == NAME_ROOT and _is_service(record.qtype):
        return record.owner
    return record.names.node[0]


cdef uint32_t _proof(uint16_t qtype) noexcept nogil:
    if qtype == types.DS:
        return MARK_DS
    if qtype == types.NSEC:
        return MARK_NSEC
    return MARK_NSEC3 if qtype == types.NSEC3 else 0


cdef uint32_t _kept_mark(uint16_t qtype) noexcept nogil:
    if qtype == types.A:
        return MARK_A
    if qtype == types.AAAA:
        return MARK_AAAA
    if qtype == types.CNAME:
        return MARK_CNAME
    if qtype == types.SVCB:
        return MARK_SVCB
    return MARK_HTTPS if qtype == types.HTTPS else 0


cdef Fit fit(Message *m) noexcept nogil:
    """Mark the records that are kept, and set their order."""
    cdef Fit found = _follow(m)
    cdef uint32_t i, j, step
    cdef Record *record
    if found != FITS:
        return found
    if m.first[2] > m.first[1]:
        _fit_authority(m)
    if m.first[3] > m.first[2]:
        for i in range(m.first[2]):
            record = &m.records[i]
            if record.step >= 0:
                if record.section == 0 and _is_service(record.qtype):
                    m.names.nodes[target_of(record)].marks |= MARK_LED
                for j in range(record.names.count):
                    m.names.nodes[record.names.node[j]].marks |= MARK_MENTIONED
        _fit_additional(m)
    m.kept = 0
    for step in range(1 if m.is_ordered else m.steps):
        for i in range(m.first[1]):
            if m.records[i].step >= 0 and (m.is_ordered or <uint32_t>m.records[i].step == step):
                m.order[m.kept] = <uint16_t>i
                m.kept += 1
    for i in range(m.first[1], m.first[3]):
        if m.records[i].step >= 0:
            m.order[m.kept] = <uint16_t>i
            m.kept += 1
    return FITS


cdef bint _is_asked(const Message *m, uint16_t qtype) noexcept nogil:
    if m.qtype == types.ANY:
        return qtype != types.OPT and not types.FIRST_META <= qtype <= types.ANY
    return qtype == m.qtype


cdef Fit _follow(Message *m) noexcept nogil:
    """Follow the chain from the name asked, in whatever order its records are."""
    cdef uint32_t i, answers = m.first[1], alias, above, matching, last = 0
    cdef uint16_t tip, node
    cdef bint is_matched, has_dname = False
    cdef Record *record
    for i in range(answers):
        if m.records[i].qtype == types.DNAME:
            has_dname = True
    m.steps = 1
    m.answered = False
    m.is_ordered = True
    m.names.nodes[m.chain[0]].marks |= MARK_TIP
    while True:
        tip = m.chain[m.steps - 1]
        if has_dname and tip != NAME_ROOT:
            node = m.names.nodes[tip].parent
            while True:
                m.names.nodes[node].above = <uint8_t>m.steps
                if node == NAME_ROOT:
                    break
                node = m.names.nodes[node].parent
        matching = alias = above = answers
        for i in range(answers):
            record = &m.records[i]
            if record.owner == tip:
                if matching == answers and _is_asked(m, record.qtype):
                    matching = i
                if record.qtype == types.CNAME and alias == answers:
                    alias = i
            elif record.qtype == types.DNAME and above == answers and m.names.nodes[record.owner].above == m.steps:
                above = i
        is_matched = matching != answers and matching <= alias
        if not is_matched and alias == answers:
            if above != answers:
                return CONTRADICTS
            break
        if alias != answers and above != answers and (not is_matched or _is_asked(m, types.CNAME)):
            if not _makes(m, &m.records[above], tip, m.records[alias].names.node[0]):
                return CONTRADICTS
            if m.records[above].step < 0:  # above two names of the chain it stays with the first
                m.records[above].step = <int8_t>(m.steps - 1)
                if m.do_:
                    _keep_signatures(m, m.records[above].owner, False)
        if is_matched:
            _keep_matching(m, tip)
            m.answered = True
            break
        m.records[alias].step = <int8_t>(m.steps - 1)
        if m.do_:
            _keep_signatures(m, tip, True)
        node = m.records[alias].names.node[0]
        if m.names.nodes[node].marks & MARK_TIP:
            return LOOPS
        if m.steps > MAX_NAMES:
            return LEADS_TOO_FAR
        m.names.nodes[node].marks |= MARK_TIP
        m.chain[m.steps] = node
        m.steps += 1
    for i in range(answers):
        if m.records[i].step >= 0:
            if <uint32_t>m.records[i].step < last:
                m.is_ordered = False
            last = <uint32_t>m.records[i].step
    return FITS


cdef bint _makes(const Message *m, const Record *dname, uint16_t name, uint16_t target) noexcept nogil:
    """Return whether a DNAME above a name makes an alias of it to a target (RFC 6672 section 2.2)."""
    while name != dname.owner:
        if target == NAME_ROOT or not same_label(&m.names, name, target):
            return False
        name = m.names.nodes[name].parent
        target = m.names.nodes[target].parent
    return target == dname.names.node[0]


cdef void _keep_signatures(Message *m, uint16_t owner, bint of_alias) noexcept nogil:
    """Keep what signs the CNAME of an owner, or else the DNAME."""
    cdef uint32_t i
    cdef uint16_t covered = types.CNAME if of_alias else types.DNAME
    for i in range(m.first[1]):
        if m.records[i].qtype == types.RRSIG and m.records[i].owner == owner and m.records[i].covered == covered:
            m.records[i].step = <int8_t>(m.steps - 1)


cdef void _keep_matching(Message *m, uint16_t tip) noexcept nogil:
    """Keep the records of the type asked, only the first of a type that is single, and with DO what signs them."""
    cdef uint32_t i
    cdef bint has_cname = False, has_dname = False, has_soa = False
    cdef Record *record
    for i in range(m.first[1]):
        record = &m.records[i]
        if record.owner != tip:
            continue
        if _is_asked(m, record.qtype):
            if record.qtype == types.CNAME:
                if has_cname:
                    continue
                has_cname = True
            elif record.qtype == types.DNAME:
                if has_dname:
                    continue
                has_dname = True
            elif record.qtype == types.SOA:
                if has_soa:
                    continue
                has_soa = True
            record.step = <int8_t>(m.steps - 1)
        elif m.do_ and record.qtype == types.RRSIG and record.covered == m.qtype:
            record.step = <int8_t>(m.steps - 1)


cdef void _fit_authority(Message *m) noexcept nogil:
    """Keep what is said of the zone that the chain ends in, and with DO what proves that it may."""
    cdef uint32_t i
    cdef uint16_t qtype, signer
    cdef Record *record
    cdef bint has_soa = False, fits, is_numbered = False
    mark_upwards(&m.names, m.chain[m.steps - 1], MARK_END)
    if m.do_:
        for i in range(m.steps):
            mark_upwards(&m.names, m.chain[i], MARK_CHAIN)
    for i in range(m.first[1], m.first[2]):
        record = &m.records[i]
        qtype = record.covered if record.covered else record.qtype
        if qtype == types.NS or qtype == types.SOA:
            fits = (m.names.nodes[record.owner].marks & MARK_END) != 0 and (m.do_ or not record.covered)
            if record.qtype == types.SOA and fits:
                fits = not has_soa
                has_soa = True
            if fits:
                record.step = 0
        elif m.do_ and record.covered and _proof(record.covered):
            signer = record.names.node[0]
            if not is_numbered:
                number_names(&m.names)
                is_numbered = True
            if m.names.nodes[signer].marks & MARK_CHAIN and is_at_or_below(&m.names, record.owner, signer):
                record.step = 0
                m.names.nodes[record.owner].marks |= _proof(record.covered)
    for i in range(m.first[1], m.first[2]):
        record = &m.records[i]
        if m.names.nodes[record.owner].marks & _proof(record.qtype):
            record.step = 0


cdef void _fit_additional(Message *m) noexcept nogil:
    """Keep addresses of names that are mentioned, and, as SVCB leads on there, aliases and services as well."""
    cdef uint32_t i, marks, extras = 0, addresses = 0
    cdef Record *record
    cdef bint fits
    for i in range(m.first[2], m.first[3]):
        record = &m.records[i]
        marks = m.names.nodes[record.owner].marks
        if (record.qtype == types.A or record.qtype == types.AAAA) and marks & (MARK_LED | MARK_MENTIONED):
            fits = True
            if not marks & MARK_LED:
                fits = addresses < MAX_EXTRA_ADDRESSES and (marks & MARK_EXTRA or extras < MAX_EXTRAS)
                if fits:
                    addresses += 1
                    extras += not marks & MARK_EXTRA
                    m.names.nodes[record.owner].marks |= MARK_EXTRA
        elif _is_service(record.qtype) or record.qtype == types.CNAME:
            fits = (marks & MARK_LED) != 0 and not (record.qtype == types.CNAME and marks & MARK_CNAME)
            if fits:
                m.names.nodes[target_of(record)].marks |= MARK_LED
        else:
            fits = m.do_ and record.qtype == types.RRSIG and (marks & _kept_mark(record.covered)) != 0
        if fits:
            record.step = 0
            m.names.nodes[record.owner].marks |= _kept_mark(record.qtype)


cdef uint32_t _write_name(Names *n, uint32_t place, uint16_t node, bint compressed, uint8_t *out, uint32_t at) noexcept nogil:
    """Write the name that stands at a place to `out + at`, case kept; return where it ends.

    0 if MAX_STEPS labels and pointers have been met before.
    """
    cdef const uint8_t *message = n.message
    while node != NAME_ROOT:
        if compressed and n.nodes[node].written:
            write_u16(out + at, types.POINTER << 8 | n.nodes[node].written)
            return at + 2
        n.steps += 1
        if n.steps > MAX_STEPS:
            return 0
        if message[place] >= types.POINTER:
            place = <uint32_t>(message[place] & ~types.POINTER) << 8 | message[place + 1]
            continue
        if compressed and at < REACH:
            n.nodes[node].written = <uint16_t>at
        memcpy(out + at, message + place, 1 + message[place])
        at += 1 + message[place]
        place += 1 + message[place]
        node = n.nodes[node].parent
    out[at] = 0
    return at + 1


cdef uint32_t write_records(Message *m, uint32_t start, uint8_t *out, uint32_t *ttls) noexcept nogil:
    """Write the records that are kept behind the question, which ends at `start`; return where they end.

    `out` has room for types.MAX_TCP octets and one record more; 0 says that they are longer than a message may
    be, or that their names have more than MAX_STEPS labels: then `steps` is above it.
    """
    cdef const uint8_t *message = m.names.message
    cdef uint32_t at = start, i, j, data, read, place = types.HEADER_SIZE
    cdef Record *record
    cdef DataNames *found
    cdef uint16_t node = m.chain[0]
    m.names.steps = 0
    memcpy(out, message, start)
    while node != NAME_ROOT:
        m.names.nodes[node].written = <uint16_t>place
        place += 1 + message[place]
        node = m.names.nodes[node].parent
    for i in range(m.kept):
        record = &m.records[m.order[i]]
        at = _write_name(&m.names, record.place, record.owner, True, out, at)
        if at == 0:
            return 0
        ttls[i * 2], ttls[i * 2 + 1] = at + 4 - start, record.ttl
        memcpy(out + at, message + record.data - 10, 10)
        at += 10
        data, read = at, record.data
        found = &record.names
        for j in range(found.count):
            if found.kind[j] != c"u":
                memcpy(out + at, message + read, found.start[j] - read)
                at += found.start[j] - read
                at = _write_name(&m.names, found.start[j], found.node[j], found.kind[j] == c"N", out, at)
                if at == 0:
                    return 0
                read = found.end[j]
        memcpy(out + at, message + read, record.end - read)
        at += record.end - read
        if at > types.MAX_TCP:
            return 0
        write_u16(out + data - 2, at - data)
    return at
