"""Numbers of the DNS that the resolver knows by name (IANA DNS parameters).

`make numbers` writes them into `_types.pxd` for the engine.
"""

from __future__ import annotations

# Types
A = 1
NS = 2
CNAME = 5
SOA = 6
PTR = 12
TXT = 16
SIG = 24
AAAA = 28
DNAME = 39
OPT = 41
DS = 43
RRSIG = 46
NSEC = 47
NSEC3 = 50
SVCB = 64
HTTPS = 65
RESINFO = 261  # RFC 9606 section 8.1
FIRST_META = 128  # types of messages and questions, RFC 6895 section 3.1: 128 to 255, of which few have a meaning
TSIG = 250
IXFR = 251
AXFR = 252
ANY = 255

# Opcodes
NOTIFY = 4  # RFC 1996

# Classes
CLASS_IN = 1
CLASS_CHAOS = 3

# Rcodes
NOERROR = 0
FORMERR = 1
SERVFAIL = 2
NXDOMAIN = 3
NOTIMP = 4
REFUSED = 5
YXDOMAIN = 6
NOTAUTH = 9  # RFC 2136 section 2.2
BADVERS = 16  # RFC 6891 section 9
BADCOOKIE = 23  # RFC 7873 section 8

# Header flags, RFC 1035 section 4.1.1 and RFC 4035 section 3.2
QR = 0x8000
OPCODE = 0x7800
OPCODE_SHIFT = 11  # bits that an opcode is to the left of its number
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
AD = 0x0020
CD = 0x0010
RCODE = 0x000F

# EDNS, RFC 6891
EDNS_DO = 0x8000
NSID_OPTION = 3  # RFC 5001 section 2.3
SUBNET_OPTION = 8  # RFC 7871 section 6
COOKIE_OPTION = 10  # RFC 7873 section 4
KEEPALIVE_OPTION = 11  # RFC 7828 section 3.1
PADDING_OPTION = 12  # RFC 7830 section 3
EDE_OPTION = 15  # RFC 8914 section 2
FIRST_LOCAL_OPTION = 65001  # for local use, RFC 6891 section 9: this and the next are a self-test's
OWN_OPTION = 65003  # marks blockd's own questions; the third code for local use, RFC 6891 section 9
EDE_CODE_ONLY = 6  # octets of the option without text
OPT_SIZE = 11  # octets of an OPT record without options

# Extended DNS Errors, RFC 8914 section 4
EDE_OTHER = 0
EDE_STALE_ANSWER = 3
EDE_NOT_READY = 14
EDE_BLOCKED = 15
EDE_CENSORED = 16
EDE_FILTERED = 17
EDE_PROHIBITED = 18
EDE_STALE_NXDOMAIN = 19
EDE_NO_REACHABLE_AUTHORITY = 22
EDE_NETWORK_ERROR = 23
EDE_INVALID_TYPE = 30  # RFC 9824 section 3.5

# Parameters of SVCB and HTTPS records, RFC 9460 section 14.3.2, RFC 9461 section 5
SVCB_ALPN = 1
SVCB_PORT = 3
SVCB_IPV4HINT = 4
SVCB_IPV6HINT = 6
SVCB_DOHPATH = 7

HEADER_SIZE = 12
POINTER = 0xC0  # the top bits of a length octet that make it the first of a pointer, RFC 1035 section 4.1.4
MAX_TTL = 0x7FFFFFFF  # seconds, RFC 2181 section 8
MAX_UDP = 1232  # octets that pass every path unfragmented (DNS Flag Day 2020), and the size that blockd announces
MIN_UDP = 512  # octets without EDNS, RFC 1035 section 4.2.1
MAX_TCP = 65535  # octets, what the length field holds, RFC 7766 section 8
