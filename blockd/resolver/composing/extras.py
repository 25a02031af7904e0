"""The additional section of an answer that does not lead there: addresses of mail servers, name servers, services.

The targets of MX, SRV, NAPTR and NS records may be listed, or have addresses that are. The answer itself is the name's
own, and is given; the addresses that come along are not. `_extras.pxd` has the same in C.
"""

from __future__ import annotations

from blockd.orders import Verdict
from blockd.resolver.response import Response
from blockd.ruleset import NOT_LISTED
from blockd.ruleset.leading import LeadJudge


def additional_at(response: Response) -> int:
    """Return where in a response's records its additional section begins."""
    count = response.counts[0] + response.counts[1]
    if not count:
        return 0
    place = response.ttls[count - 1][0]
    return place + 6 + int.from_bytes(response.records[place + 4 : place + 6])


def left_out(response: Response, judge: LeadJudge, tiers: int, passing: frozenset[int], group: int) -> Verdict:
    """Return the verdict on a response's additional section: if it touches, the section is not given.

    `tiers` and `passing` are what the verdict on the question has left, `group` is the client's.
    """
    if not response.extras:
        return NOT_LISTED
    return judge(response.extras, response.extra_addresses, tiers, passing, group)
