# What a failure is said to be: the octets of an Extended DNS Error (RFC 8914), as `failures.py` writes it.

from libc.math cimport rint
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport write_u16
from blockd.resolver.forwarding.native._flights cimport (
    SAID_NO_INTERFACE, SAID_NOTHING, SAID_RCODE, SAID_SENTENCE, SAID_TEXT, SAID_UNREACHABLE, Flight, Try,
)
from blockd.resolver._numbers cimport CLIENT_COOKIE, MAX_ASKED, MAX_SERVER_COOKIE
from blockd.resolver.forwarding.native._system cimport strerror

cdef enum:
    MAX_TEXT = 200  # octets of the sentences
    MAX_SENTENCE = 512

cdef enum:
    COOKIE_SIZE = CLIENT_COOKIE + MAX_SERVER_COOKIE

cdef struct Remote:
    # An upstream, and what it was found to support.
    bint is_stream  # never asked over UDP
    bint has_mark  # whether the client's cookie marks questions without a cookie as blockd's own
    double case_off  # until when its names are not in mixed case
    double cookies_off  # until when it is shown no cookie
    double opt_off  # until when it is asked without EDNS
    uint32_t cookie_size  # of the client's cookie, and the server's if it has sent one
    uint8_t cookie[COOKIE_SIZE]
    const uint8_t *text
    uint32_t text_size
    uint8_t source  # the number by which cache entries name it


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
    if rcode == types.NOTAUTH:
        return b"NOTAUTH"
    if rcode == types.BADVERS:
        return b"BADVERS"
    if rcode == types.BADCOOKIE:
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
    """Add a number that is not below 0."""
    cdef char digits[12]
    cdef int at = sizeof(digits)
    while at == sizeof(digits) or number > 0:
        at -= 1
        digits[at] = <char>(48 + number % 10)
        number //= 10
    add(text, digits + at, <uint32_t>(sizeof(digits) - at))


cdef inline void add_seconds(Text *text, double seconds) noexcept nogil:
    """Add a time as in `4 s` or `0.5 s`, rounded as `seconds_text` does."""
    cdef int tenths = <int>rint(min(max(seconds, 0.0), 1e8) * 10.0)
    add_number(text, tenths // 10)
    if tenths % 10:
        add_word(text, b".")
        add_number(text, tenths % 10)
    add_word(text, b" s")


cdef inline void add_error(Text *text, int number) noexcept nogil:
    """Add what the system says of an error, as it is written within a sentence."""
    cdef uint32_t start = text.size
    add_word(text, strerror(number))
    if start < text.size and 65 <= text.octets[start] <= 90:
        text.octets[start] += 32


cdef inline void add_zone(Text *text, const Remote *remote) noexcept nogil:
    """Add the interface of a link-local upstream, whose text is `[fe80::1%eth0]:53`."""
    cdef uint32_t start = 0, end
    while start < remote.text_size and remote.text[start] != 37:
        start += 1
    end = start + 1
    while end < remote.text_size and remote.text[end] != 93:
        end += 1
    if end <= remote.text_size:
        add(text, <const char *>remote.text + start + 1, end - start - 1)


cdef inline void sentence_of(
    Text *text, const Try *one, const Remote *remote, double seconds
) noexcept nogil:
    """Write what an upstream did with a try, or did not do for so many seconds."""
    cdef const char *name
    text.size = 0
    if one.said == SAID_SENTENCE:
        add(text, one.text, one.text_size)
        return
    add(text, <const char *>remote.text, remote.text_size)
    if one.said == SAID_RCODE:
        add_word(text, b" answered ")
        name = rcode_name(one.rcode)
        if name != NULL:
            add_word(text, name)
        else:
            add_word(text, b"rcode ")
            add_number(text, one.rcode)
    elif one.said == SAID_TEXT:
        add_word(text, b" ")
        add(text, one.text, one.text_size)
    elif one.said == SAID_UNREACHABLE:
        add_word(text, b" cannot be reached: ")
        add_error(text, one.rcode)
    elif one.said == SAID_NO_INTERFACE:
        add_word(text, b" cannot be reached: the machine has no interface ")
        add_zone(text, remote)
    else:
        add_word(text, b" did not answer in ")
        add_seconds(text, seconds)


cdef inline uint32_t write_error(uint8_t *out, int code, Text *text) noexcept nogil:
    """Write an EDE option with as much of a text as may be; return its size."""
    if text.size > MAX_TEXT:
        text.size = MAX_TEXT
        while text.size and <uint8_t>text.octets[text.size] & 0xC0 == 0x80:
            text.size -= 1  # the rest of a character
    write_u16(out, types.EDE_OPTION)
    write_u16(out + 2, 2 + text.size)
    write_u16(out + 4, code)
    memcpy(out + types.EDE_CODE_ONLY, text.octets, text.size)
    return types.EDE_CODE_ONLY + text.size


cdef inline void join(Text *text, const Text *sentences, int count) noexcept nogil:
    """Join what several upstreams did, as many as fit; the rest are counted."""
    cdef int told
    cdef uint32_t needed
    text.size = 0
    for told in range(count):
        needed = text.size + sentences[told].size + (2 if told else 0)
        if told + 1 < count:
            needed += 12  # what tells of some more
        if told and needed > MAX_TEXT:
            add_word(text, b"; and ")
            add_number(text, count - told)
            add_word(text, b" more")
            return
        if told:
            add_word(text, b"; ")
        add(text, sentences[told].octets, sentences[told].size)


cdef inline uint32_t explain(
    const Flight *flight, const Remote *remotes, double now, bint *is_silent, uint8_t *out
) noexcept nogil:
    """Write why a flight failed, as an EDE option; return its size. Set whether nothing was said at all.

    What an upstream said last counts; those that could not be asked come last.
    """
    cdef Text sentences[MAX_ASKED]
    cdef Text text
    cdef const Try *one
    cdef const Try *said
    cdef int count = 0, i, k, was_sent
    cdef uint32_t told = 0
    is_silent[0] = True
    for was_sent in range(1, -1, -1):
        for i in range(flight.tries_made):
            one = &flight.tries[i]
            if one.is_sent != was_sent or told >> one.member & 1:
                continue
            told |= <uint32_t>1 << one.member
            said = one
            for k in range(flight.tries_made):
                if flight.tries[k].member == one.member and flight.tries[k].said != SAID_NOTHING:
                    said = &flight.tries[k]
            if said.said != SAID_NOTHING:
                is_silent[0] = False
            sentence_of(&sentences[count], said, &remotes[one.upstream], now - one.sent)
            count += 1
    join(&text, sentences, count)
    if count == 0:
        add_word(&text, b"no upstream can be asked")
    return write_error(
        out, types.EDE_NO_REACHABLE_AUTHORITY if is_silent[0] else types.EDE_NETWORK_ERROR, &text
    )
