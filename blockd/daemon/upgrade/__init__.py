"""Another version of blockd takes the place of the running one, in the same process, without a gap.

The new program is tried first. Then it is executed in the place of the supervisor, whose sockets, lock, counters and
children it is passed; it starts children of its own beside these, which then answer what has come to them, and end.
"""
