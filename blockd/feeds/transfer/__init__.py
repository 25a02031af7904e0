"""A zone by transfer: AXFR (RFC 5936) and IXFR (RFC 1995) with TSIG (RFC 8945), woken by NOTIFY (RFC 1996).

Messages and files here know of no socket but in `exchange`; `blockd.feeds.transfer.source` puts them together.
"""
