# The types with which data.py is compiled.

cpdef type_of(bytes word)

cpdef plain_data(object rtype, list words, bytes origin)
