"""Sizes of cookies, and what is known of one."""

from __future__ import annotations

SECRET = 16  # octets, those of a key of SipHash
CLIENT = 8  # octets of a client's part of a COOKIE option, RFC 7873 section 4.1
WHOLE = CLIENT + 16  # with a server's part as RFC 9018 section 4 has it
OPTION = 4 + WHOLE  # with the option's head

# What is known of a cookie.
UNKNOWN = 0
KNOWN = 1  # this server, or one that has its secret, gave it to this address
FRESH = 2  # the same, and it need not be replaced yet
