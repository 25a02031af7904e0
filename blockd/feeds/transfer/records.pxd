# The types with which records.py is compiled.

cimport cython

cdef Py_ssize_t _A, _NS, _CNAME, _SOA, _TXT, _AAAA, _IN
cdef Py_ssize_t _MAX_NAME, _MAX_LABEL, _MAX_TTL, _POINTER, _FIXED, _NUMBERS, _LINE, _GROWTH, _FIRST_ROOM
cdef bytes _FOLD, _PLAIN


@cython.locals(
    octets="const unsigned char *", zone_octets="const unsigned char *", wire="unsigned char *", out="unsigned char *",
    name=bytearray, text=bytearray, unusual=bytes, size=Py_ssize_t, zone_size=Py_ssize_t, owner_size=Py_ssize_t,
    at=Py_ssize_t, end=Py_ssize_t, data=Py_ssize_t, line=Py_ssize_t, owner_end=Py_ssize_t, behind=Py_ssize_t,
    _=Py_ssize_t, kind="unsigned int", klass="unsigned int", ttl="unsigned int",
)
cpdef record_lines(bytes message, Py_ssize_t position, Py_ssize_t count, bytes zone)

@cython.locals(name=bytearray, end=Py_ssize_t)
cpdef name_at(bytes message, Py_ssize_t position)

cdef int _make_room(bytearray text, Py_ssize_t octets) except -1

cdef unsigned int _u16(const unsigned char *octets, Py_ssize_t at) noexcept

@cython.locals(value="unsigned int")
cdef unsigned int _u32(const unsigned char *octets, Py_ssize_t at) noexcept

@cython.locals(
    fold="const unsigned char *", length="unsigned int", at=Py_ssize_t, end=Py_ssize_t, limit=Py_ssize_t,
    target=Py_ssize_t, i=Py_ssize_t,
)
cdef Py_ssize_t _read_name(
    const unsigned char *octets, Py_ssize_t size, Py_ssize_t position, unsigned char *wire
) noexcept

@cython.locals(at=Py_ssize_t)
cdef Py_ssize_t _size_of(unsigned char *wire) noexcept

@cython.locals(start=Py_ssize_t, i=Py_ssize_t, at=Py_ssize_t)
cdef bint _is_within(unsigned char *wire, Py_ssize_t size, const unsigned char *zone, Py_ssize_t zone_size) noexcept

@cython.locals(i=Py_ssize_t)
cdef Py_ssize_t _put(
    unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t count
) noexcept

@cython.locals(digits=Py_ssize_t, place=Py_ssize_t, rest="unsigned int")
cdef Py_ssize_t _put_number(unsigned char *out, Py_ssize_t at, unsigned int number) noexcept

cdef Py_ssize_t _put_escaped(unsigned char *out, Py_ssize_t at, unsigned int octet) noexcept

@cython.locals(plain="const unsigned char *", place=Py_ssize_t, i=Py_ssize_t, length="unsigned int")
cdef Py_ssize_t _put_name(unsigned char *out, Py_ssize_t at, unsigned char *wire) noexcept

@cython.locals(i=Py_ssize_t)
cdef Py_ssize_t _put_ipv4(unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t data) noexcept

@cython.locals(
    digits="const unsigned char *", i=Py_ssize_t, gap=Py_ssize_t, gap_size=Py_ssize_t, row=Py_ssize_t,
    group="unsigned int", shift="int",
)
cdef Py_ssize_t _put_ipv6(unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t data) noexcept

cdef Py_ssize_t _put_data(
    unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t size, Py_ssize_t data, Py_ssize_t end,
    unsigned int kind, unsigned char *wire,
) noexcept

@cython.locals(i=Py_ssize_t, _=Py_ssize_t)
cdef Py_ssize_t _put_soa(
    unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t size, Py_ssize_t data, Py_ssize_t end,
    unsigned char *wire,
) noexcept

@cython.locals(position=Py_ssize_t, behind=Py_ssize_t, i=Py_ssize_t, octet="unsigned int")
cdef Py_ssize_t _put_strings(
    unsigned char *out, Py_ssize_t at, const unsigned char *octets, Py_ssize_t data, Py_ssize_t end
) noexcept
