"""docs/reference/actions.md: every action with its answer, and the Extended DNS Error of every mandate."""

from __future__ import annotations

from blockd.dns import types
from blockd.orders import Action, Mandate
from blockd.resolver import answers
from tests.docs.reference.markdown import document, table

ANSWERS = {
    Action.SINKHOLE: "A and AAAA: the sinkhole's address. Every other type: no data.",
    Action.NXDOMAIN: "The name does not exist (NXDOMAIN).",
    Action.NODATA: "The name exists and has no record of the type (no data).",
    Action.REFUSED: "REFUSED.",
    Action.DROP: "No answer.",
    Action.CNAME: "An alias for the name in `cname`, and what that resolves to.",
    Action.TCP_ONLY: "Over UDP an empty, truncated answer. Over TCP the name is resolved.",
    Action.MONITOR: "The question is counted and the name is resolved.",
    Action.ALLOW: "The name is resolved, whatever other orders say.",
    Action.PASSTHRU: "The name is resolved, whatever later zones and feeds say.",
    Action.LOCAL: "The records that the policy zone has for the name.",
}
MANDATES = {
    Mandate.LAW: "an order by law",
    Mandate.OPERATOR: "the operator's own policy",
    Mandate.CLIENT: "a wish of the client",
}
CODES = {
    types.EDE_CENSORED: "16 (Censored)",
    types.EDE_BLOCKED: "15 (Blocked)",
    types.EDE_FILTERED: "17 (Filtered)",
}


def page() -> str:
    """Return the page."""
    return document(
        "Actions",
        "An order, or a feed of a text list, names one action. It decides the answer to a question for a listed name.",
        table(
            ("action", "answer", "where"),
            [(f"`{one}`", ANSWERS[one], "policy zones only" if one.is_zones else "everywhere") for one in Action],
        ),
        "A name that leads to a listed name or address, by CNAME or otherwise, is answered as if it were listed.",
        "## Extended DNS Errors",
        "If the client sends EDNS, an answer that an order has changed carries an Extended DNS Error (RFC 8914) with "
        "the order's id, the authority, and where to object. The code follows from the order's `mandate`:",
        table(
            ("mandate", "the block is", "code"),
            [(f"`{one}`", MANDATES[one], CODES[answers._CODES[one]]) for one in Mandate],
        ),
        "## Time to live",
        "No answer has a longer TTL than it is true for. The TTL of a block ends when its order expires or is lifted. "
        "That of a name covered by a pending order ends when the order takes force. In the last second it is 0.",
    )
