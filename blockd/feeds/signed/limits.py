"""The limits on what a signed repository can make a node fetch, keep and read; `blockd.orders.repository` has more."""

from __future__ import annotations

MAX_ORDERS = 10_000  # orders in one repository, of all its authorities
MAX_TOTAL = 256 * 1024 * 1024  # bytes of all orders together, in memory and on disk
MAX_SHARE = 80 * 1024 * 1024  # bytes of one authority's orders: one of a million names, and many others beside it
MAX_EARLIER = 8  # earlier metadata of one role that are kept for orders whose newest versions are refused
MAX_TOLD = 20  # refused orders of one role that are told one by one; the rest is told as a number
MAX_FAILED = 3  # orders of one role that may fail for their server, until no others are fetched in this look
MAX_LISTS = 16  # orders of one authority whose names are in files of their own
MAX_LIST_FILE = 1024**3  # bytes of one such file; ten million names take some 60 MB
MAX_LIST_SHARE = 8 * 1024**3  # bytes of the texts of one authority's lists, and half of the room for all at most
MAX_METADATA = {"root": 512 * 1024, "timestamp": 16 * 1024, "snapshot": 64 * 1024, "targets": 8 * 1024 * 1024}  # bytes
MAX_VERSION = 10**15  # of metadata: more than the milliseconds since 1970, and short enough for a name of a file
MAX_ROTATIONS = 256  # roots newer than the configured one
