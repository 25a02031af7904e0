"""Whether a caller may do what it asks for; if not, one sentence says what is missing and how to get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blockd.web.callers.role import AccessRole, Caller

CHALLENGE = 'Bearer realm="blockd"'  # RFC 6750 section 3


@dataclass(frozen=True, slots=True)
class AccessRefusal:
    """Why something is not done: the HTTP status (401, 403 or 429), the sentence, and headers."""

    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(caller: Caller, needed: AccessRole) -> AccessRefusal | None:
    """Return why a caller may not do what needs a role; None if it may."""
    if caller.role >= needed:
        return None
    if caller.role is AccessRole.NONE:
        return AccessRefusal(
            401,
            f"This needs a token with the role {needed.text}: `blockd token add NAME --role {needed.text}`, run on "
            "this machine as root, makes one. Send it as the header Authorization: Bearer TOKEN. Nothing was done.",
            {"WWW-Authenticate": CHALLENGE},
        )
    return AccessRefusal(
        403,
        f"This needs the role {needed.text}, and {caller.name} has the role {caller.role.text}: a token made by "
        f"`blockd token add NAME --role {needed.text}` may do it. Nothing was done.",
    )


def wrong_token(seconds: float) -> AccessRefusal:
    """Return why what was sent as a token counts for nothing; `seconds` is for how long no other is to be sent."""
    if seconds > 0:
        return AccessRefusal(
            429,
            f"Too many wrong tokens came from here. Wait {seconds:.0f} seconds, or send a right one. Nothing was done.",
            {"Retry-After": f"{seconds:.0f}"},
        )
    return AccessRefusal(
        401,
        "The token is not known here, or has expired: `blockd token list`, run on this machine as root, shows those "
        "that are, and `blockd token add NAME --role ROLE` makes one. Nothing was done.",
        {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'},
    )
