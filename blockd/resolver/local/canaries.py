"""Names that browsers and devices ask to learn whether the network filters names.

If they have no address, Firefox does not turn on DNS over HTTPS by itself (a user's own choice stands), and Apple's
devices tell their user that Private Relay is not available in this network.
"""

from __future__ import annotations

from blockd.dns import types
from blockd.resolver.records import error_option

CANARIES = (
    "use-application-dns.net",  # Mozilla
    "mask.icloud.com",  # Apple
    "mask-h2.icloud.com",
    "mask.apple-dns.net",  # what these two are aliases of
)
TTL = 300  # seconds: devices must soon notice that the switch was turned
TEXT = "this network filters names; the operator says so to browsers and devices (canaries)"


def errors() -> bytes:
    """Return the EDE option of an answer for such a name, by which a tester sees who gave it."""
    return error_option(types.EDE_BLOCKED, TEXT)
