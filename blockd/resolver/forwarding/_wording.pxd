# What a failure is said to be: the octets of an Extended DNS Error (RFC 8914), as `failures.py` writes it.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen
from libc.stdio cimport snprintf

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport write_u16
from blockd.resolver.forwarding._flights cimport (
    MAX_TRIES, SAID_DISCONNECTED, SAID_MALFORMED, SAID_NOTHING, SAID_RCODE, SAID_RCODE_ALONE, SAID_STRAYS,
    SAID_UNREACHABLE, Flight, Try,
)
from blockd.resolver.forwarding._system cimport strerror

cdef enum:
    MAX_TEXT = 200  # octets of the sentences
    MAX_SENTENCE = 512

cdef struct Remote:
    bint is_stream  # never asked over UDP
    double case_off  # until when its names are not in mixed case
    double opt_off  # until when it is asked without EDNS
    const uint8_t *text
    uint32_t text_size


cdef inline const char *rcode_name(int rcode) noexcept nogil:
    """Return an rcode's name, NULL if it has none here."""
    if rcode == types.FORMERR:
        return b"FORMERR"
    if rcode == types.SERVFAIL:
        return b"SERVFAIL"
    if rcode == types.NOTIMP:
        return b"NOTIMP"
    if rcode == types.REFUSED:
        return b"REFUSED"
    if rcode == 9:
        return b"NOTAUTH"
    if rcode == types.BADVERS:
        return b"BADVERS"
    if rcode == 23:
        return b"BADCOOKIE"
    return NULL


cdef struct Text:
    uint32_t size
    char octets[MAX_SENTENCE]


cdef inline void add(Text *text, const char *octets, uint32_t size) noexcept nogil:
    """Add octets to a text, as many as fit."""
    if size > MAX_SENTENCE - text.size:
        size = MAX_SENTENCE - text.size
    memcpy(text.octets + text.size, octets, size)
    text.size += size


cdef inline void add_word(Text *text, const char *word) noexcept nogil:
    add(text, word, <uint32_t>strlen(word))


cdef inline void add_number(Text *text, int number) noexcept nogil:
    cdef char digits[16]
    add(text, digits, <uint32_t>snprintf(digits, 16, b"%d", number))


cdef inline void add_seconds(Text *text, double seconds) noexcept nogil:
    """Add a time as in `4 s` or `0.5 s`."""
    cdef char digits[32]
    cdef int size = snprintf(digits, 32, b"%.1f", seconds if seconds > 0 else 0.0)
    if size > 2 and digits[size - 1] == 48 and digits[size - 2] == 46:
        size -= 2
    add(text, digits, <uint32_t>size)
    add_word(text, b" s")


cdef inline void add_error(Text *text, int number) noexcept nogil:
    """Add what the system says of an error, in lower case."""
    cdef const char *words = strerror(number)
    cdef uint32_t i, start = text.size
    add_word(text, words)
    for i in range(start, text.size):
        if 65 <= text.octets[i] <= 90:
            text.octets[i] += 32


cdef inline void sentence_of(Text *text, const Try *one, const Remote *remote, double now) noexcept nogil:
    """Write what an upstream did with a try."""
    cdef const char *name
    text.size = 0
    if one.said == SAID_DISCONNECTED and one.text != NULL:
        add(text, one.text, one.text_size)
        return
    add(text, <const char *>remote.text, remote.text_size)
    if one.said == SAID_RCODE or one.said == SAID_RCODE_ALONE:
        add_word(text, b" answered ")
        name = rcode_name(one.rcode)
        if name != NULL:
            add_word(text, name)
        else:
            add_word(text, b"rcode ")
            add_number(text, one.rcode)
    elif one.said == SAID_MALFORMED:
        if one.text != NULL:
            add_word(text, b" sent a malformed message: ")
            add(text, one.text, one.text_size)
        else:
            add_word(text, b" answered another question")
    elif one.said == SAID_UNREACHABLE:
        add_word(text, b" cannot be reached: ")
        add_error(text, one.rcode)
    elif one.said == SAID_STRAYS:
        add_word(text, b" seems to be imitated by somebody: too many messages came that do not fit the question")
    else:
        add_word(text, b" did not answer within ")
        add_seconds(text, now - one.sent)


cdef inline uint32_t explain(const Flight *flight, const Remote *remotes, double now, uint8_t *out) noexcept nogil:
    """Write why a flight failed, as an EDE option; return its size. The last try at each upstream counts."""
    cdef Text sentences[MAX_TRIES]
    cdef uint8_t members[MAX_TRIES]
    cdef int code = types.EDE_NO_REACHABLE_AUTHORITY, count = 0, told, i, place
    cdef Text text
    cdef uint32_t needed
    for i in range(flight.tries_made):
        if flight.tries[i].said != SAID_NOTHING:
            code = types.EDE_NETWORK_ERROR
        place = 0
        while place < count and members[place] != flight.tries[i].member:
            place += 1
        if place == count:
            members[place] = flight.tries[i].member
            count += 1
        sentence_of(&sentences[place], &flight.tries[i], &remotes[flight.tries[i].upstream], now)
    text.size = 0
    if count == 0:
        add_word(&text, b"no upstream answers")
    for told in range(count):
        needed = text.size + sentences[told].size + (2 if told else 0)
        if told + 1 < count:
            needed += 11  # what tells of one more
        if told and needed > MAX_TEXT:
            add_word(&text, b"; and ")
            add_number(&text, count - told)
            add_word(&text, b" more")
            break
        if told:
            add_word(&text, b"; ")
        add(&text, sentences[told].octets, sentences[told].size)
    if text.size > MAX_TEXT:
        text.size = MAX_TEXT
        while text.size and <uint8_t>text.octets[text.size] & 0xC0 == 0x80:
            text.size -= 1  # the rest of a character
    write_u16(out, types.EDE_OPTION)
    write_u16(out + 2, 2 + text.size)
    write_u16(out + 4, code)
    memcpy(out + types.EDE_CODE_ONLY, text.octets, text.size)
    return types.EDE_CODE_ONLY + text.size
