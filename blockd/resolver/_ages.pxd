# Structs in the order in which they were made or used last. Each begins with an `Age`, so that a pointer to it is one to the
# struct. They belong to who uses this, as does counting them.

cdef struct Age:
    Age *newer
    Age *older

cdef struct Ages:
    Age *newest
    Age *oldest
    Age *shown  # the next one of a walk from the newest on; it moves on if that is taken out or used


cdef inline void put_newest(Ages *ages, Age *age) noexcept nogil:
    """Put in one that is not in the list."""
    age.newer = NULL
    age.older = ages.newest
    if ages.newest != NULL:
        ages.newest.newer = age
    else:
        ages.oldest = age
    ages.newest = age


cdef inline void take_out(Ages *ages, Age *age) noexcept nogil:
    """Take out one that is in the list."""
    if age == ages.shown:
        ages.shown = age.older
    if age.newer != NULL:
        age.newer.older = age.older
    else:
        ages.newest = age.older
    if age.older != NULL:
        age.older.newer = age.newer
    else:
        ages.oldest = age.newer


cdef inline void make_newest(Ages *ages, Age *age) noexcept nogil:
    """Note that one that is in the list has been used."""
    if age != ages.newest:
        take_out(ages, age)
        put_newest(ages, age)
