# The types with which record_text.py is compiled.

cimport cython


@cython.locals(place=Py_ssize_t, words=list)
cpdef tuple typed_words(list words)

cdef bint _has_nothing(bytes line)
