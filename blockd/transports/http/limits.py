"""What one HTTP connection of a client may hold and ask for, whichever version it speaks."""

from __future__ import annotations

MAX_STREAMS = 100  # requests that are open at once, RFC 9113 section 5.1.2: as many as may wait over TCP
MAX_MESSAGE = 4096  # octets of a question: they have some hundred; more is refused, 413 by POST and 414 by GET
MAX_HEADERS = 1 << 14  # octets of a header list with 32 for each field, RFC 9113 section 6.5.2; browsers send some 500
FIELD_OVERHEAD = 32  # octets that each field counts for beside its name and value there
MAX_FIELDS = 100  # header fields of a request; browsers send some 20
MAX_KEPT = 1 << 16  # octets of the header lists of requests that have not come whole; most have less than 100 for us
MAX_BODIES = 1 << 16  # octets of request bodies that have not come whole, RFC 9113 section 6.9.2: the first window
