# The types with which tokens.py is compiled.

cimport cython

cdef Py_ssize_t _QUOTE, _OPENING, _CLOSING, _DOT, _ZERO, _NINE, _SEMICOLON, _BACKSLASH, _BLANK, _ENDING, _ESCAPING
cdef Py_ssize_t _MAX_STRING, _MAX_LABEL, _MAX_KEY, _ROOM, _MAX_DIGITS
cdef Py_ssize_t _EMPTY_LABEL, _LABEL_TOO_LONG, _BAD_CHARACTER
cdef bytes _FOLD, _KINDS


@cython.locals(
    octets="const unsigned char *", kinds="const unsigned char *", size=Py_ssize_t, at=Py_ssize_t, start=Py_ssize_t,
    octet="unsigned int", words=list,
)
cpdef tuple tokens_of(bytes line, Py_ssize_t depth)

@cython.locals(kind="unsigned int")
cdef Py_ssize_t _word_end(
    const unsigned char *octets, Py_ssize_t at, Py_ssize_t size, const unsigned char *kinds
) noexcept

@cython.locals(octet="unsigned int")
cdef Py_ssize_t _quote_end(const unsigned char *octets, Py_ssize_t at, Py_ssize_t size) noexcept

@cython.locals(
    name=bytearray, octets="unsigned char *", fold="const unsigned char *", size=Py_ssize_t, at=Py_ssize_t,
    end=Py_ssize_t, length=Py_ssize_t, i=Py_ssize_t, above=bytes,
)
cpdef bytes name_key(bytes text, bytes origin)

@cython.locals(name=bytearray, size=Py_ssize_t, above=bytes)
cpdef bytes name_wire(bytes text, bytes origin)

@cython.locals(head=Py_ssize_t, put=Py_ssize_t, at=Py_ssize_t, octet="unsigned int", is_absolute=bint)
cdef Py_ssize_t _read_name(
    const unsigned char *text, Py_ssize_t size, unsigned char *name, bint is_strict
) noexcept

@cython.locals(
    made=bytearray, text="const unsigned char *", string="unsigned char *", at=Py_ssize_t, end=Py_ssize_t,
    put=Py_ssize_t, octet="unsigned int",
)
cpdef bytes string_wire(bytes word)
