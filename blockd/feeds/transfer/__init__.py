"""A zone by transfer: AXFR (RFC 5936) and IXFR (RFC 1995) with TSIG (RFC 8945), woken by NOTIFY (RFC 1996).

Only `connection` has sockets; `blockd.feeds.transfer.source` puts the parts together.
"""
