"""The additional section of an answer that does not lead there: addresses of mail servers, name servers, services.

The targets of MX, SRV, NAPTR and NS records may be listed, or have addresses that are. The answer itself is the name's
own, and is given; the addresses that come along are not. `_extras.pxd` has the same in C.
"""

from __future__ import annotations

import struct

from blockd.dns import types
from blockd.orders import Reason, Verdict
from blockd.resolver.response import Response
from blockd.ruleset import NOT_LISTED
from blockd.ruleset.leading import LeadJudge

MAX_EXTRA_NAMES = 16  # that are judged; the servers of the root zone are 13
MAX_EXTRA_ADDRESSES = 64  # the same; a section with more names or addresses is left out unjudged

TOO_LARGE = Verdict(Reason.LISTED)  # by no order


def additional_at(response: Response) -> int:
    """Return where in a response's records its additional section begins."""
    count = response.counts[0] + response.counts[1]
    if not count:
        return 0
    place = response.ttls[count - 1][0]
    return place + 6 + int.from_bytes(response.records[place + 4 : place + 6])


def left_out(response: Response, judge: LeadJudge, tiers: int, passing: frozenset[int]) -> Verdict:
    """Return the verdict on a response's additional section: if it touches, the section is not given.

    `tiers` and `passing` are what the verdict on the question has left.
    """
    if not response.extras or not response.counts[2]:
        return NOT_LISTED
    addresses = extra_addresses(response)
    return TOO_LARGE if addresses is None else judge(response.extras, addresses, tiers, passing)


def extra_addresses(response: Response) -> list[bytes] | None:
    """Return the addresses of the additional section, 4 or 16 octets each; None if it is too large to be judged."""
    found = []
    for place, _ in response.ttls[response.counts[0] + response.counts[1] :]:
        kind, klass = struct.unpack_from(">HH", response.records, place - 4)
        size = int.from_bytes(response.records[place + 4 : place + 6])
        if klass == types.CLASS_IN and ((kind == types.A and size == 4) or (kind == types.AAAA and size == 16)):
            found.append(response.records[place + 6 : place + 6 + size])
    is_judged = len(found) <= MAX_EXTRA_ADDRESSES and len(response.extras) <= MAX_EXTRA_NAMES
    return found if is_judged else None
