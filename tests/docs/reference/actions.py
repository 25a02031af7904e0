"""docs/reference/actions.md: every action with its answer, and the Extended DNS Error of every mandate."""

from __future__ import annotations

from blockd.dns import types
from blockd.orders import Action, Mandate
from blockd.orders.disclosure import CODES
from tests.docs.reference.markdown import document, table

ANSWERS = {
    Action.SINKHOLE: "A and AAAA: the sinkhole's address. Every other type: no data.",
    Action.NXDOMAIN: "The name does not exist (NXDOMAIN).",
    Action.NODATA: "The name exists and has no record of the type (no data).",
    Action.REFUSED: "REFUSED.",
    Action.DROP: "No answer.",
    Action.CNAME: "An alias for the name in `cname`, and what that resolves to. CNAME and ANY: the alias alone.",
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
    None: "not said to be any of these",
}
ERRORS = {
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
        "## What a client is told",
        "If the client sends EDNS, an answer that an order has changed carries an Extended DNS Error (RFC 8914) with "
        "what the order is called, the authority, and where to object. A list that is enforced without an order is "
        "called by its name; if the config names no authority, the operator's name stands in its place, and if it "
        "names no contact, the operator's. The code, and the status of the block page, follow from the `mandate` of "
        "the order or of the feed:",
        table(
            ("mandate", "the block is", "code", "status"),
            [
                (f"`{one}`" if one else "none", MANDATES[one], ERRORS[codes.extended_error], str(codes.status))
                for one, codes in CODES.items()
            ],
        ),
        "With status 451 the page has the `blocked-by` link of RFC 7725. That status is for legal demands, and stays "
        "where nobody has stated a mandate. An order or a feed with a `legal_basis` has the mandate `law` unless it "
        "states another.",
        "## Time to live",
        "No answer has a longer TTL than it is true for. The TTL of a block ends when its order expires or is lifted. "
        "That of a name covered by a pending order ends when the order takes force. In the last second it is 0.",
    )
