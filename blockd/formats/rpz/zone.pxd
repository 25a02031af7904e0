# The types with which zone.py is compiled.

cimport cython


@cython.locals(labels=list)
cdef bytes _plain_key(bytes text, dict length=*)
