"""The config of a signed feed's authorities, and of the sources of its hints."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from blockd.orders.repository import OWN_ROLE, is_role
from blockd.settings.addresses import hosts_from_value
from blockd.settings.section import Section, setting
from blockd.settings.transfer import Tsig
from blockd.settings.values import ZoneName, shown

_FEED = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)  # as `FeedName`


def role_from_text(value: str) -> str:
    """Return a delegated role's name; raises ValueError if it cannot be an authority's."""
    if not is_role(value):
        expected = "an authority's role, of 1 to 32 lower-case letters, digits and inner hyphens"
        raise ValueError(f"expected {expected}, got {shown(value)}; the repository's own roles are not allowed")
    return value


def authority_from_text(value: str) -> str:
    """Return an authority as `FEED/ROLE`, or `FEED` for all of a signed feed; raises ValueError for anything else."""
    feed, slash, role = value.partition("/")
    if not _FEED.fullmatch(feed) or (slash and not (is_role(role) or role == OWN_ROLE)):
        raise ValueError(f"expected FEED, FEED/ROLE or FEED/{OWN_ROLE}, got {shown(value)}")
    return value


Role = Annotated[str, AfterValidator(role_from_text)]
AuthorityName = Annotated[str, AfterValidator(authority_from_text)]
Hosts = Annotated[tuple[str, ...], PlainValidator(hosts_from_value)]


class Authority(Section):
    """What is done with one authority's orders, if it differs from what is done with the feed's."""

    at_expiry: Literal["keep", "stop"] = Field(
        description="When the feed or this authority's part of it is at its end: keep enforcing and warn, or stop."
    )


class Notify(Section):
    """Who may trigger a poll by a NOTIFY (RFC 1996), which is only a hint."""

    zone: ZoneName = Field(description="The zone that a NOTIFY for this feed names.")
    sources: Hosts = Field(alias="from", description="The addresses that a NOTIFY is accepted from, one or a list.")
    tsig: Tsig | None = setting(None, "The key that it must be signed with.", validate_default=False)
