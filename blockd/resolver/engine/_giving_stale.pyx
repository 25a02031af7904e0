# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Stale answers of the engine, one at a time, for tests against the twin."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from blockd.dns cimport _types as types
from blockd.metrics._numbers cimport TRANSPORT_UDP
from blockd.resolver.engine._answering cimport ANSWERED, STALE
from blockd.resolver.engine._asking cimport Asking
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._message cimport Question, read_question
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._peers cimport address_into
from blockd.resolver.engine._sockets cimport sockaddr


def stale_answer(Asking engine, NativeCache cache, bytes packet, str host, double now, int64_t second):
    """Return the answer to a question over UDP from an entry of `cache` that has expired.

    None if there is no such entry, or the pipeline answers. `now` is monotonic, `second` since the epoch.
    """
    cdef uint8_t out[types.MAX_UDP]
    cdef Question q
    cdef Peer peer
    cdef uint32_t written = 0
    cdef bint cd
    cdef Entry *entry
    if not read_question(packet, len(packet), TRANSPORT_UDP, 0, &q):
        return None
    address_into(&peer, host)
    engine.second = second
    engine.is_selftest = False
    engine._prepare(&q, <const sockaddr *>&peer.address)
    cd = (q.flags & types.CD) != 0
    entry = cache.find_stale(
        cache.hash_of(q.key, q.key_size, q.qtype, q.do_, cd), q.key, q.key_size, q.qtype, q.do_, cd, now
    )
    if entry == NULL or engine._late_answer(
        &q, entry, <const sockaddr *>&peer.address, TRANSPORT_UDP, STALE, out, &written, now
    ) != ANSWERED:
        return None
    engine._leave(&q, <const sockaddr *>&peer.address, True, out, &written, now)
    return out[:written]
