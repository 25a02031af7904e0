"""What the config says of a signed feed's authorities, and of who may hint that it has news."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from blockd.orders.repository import is_role
from blockd.settings.addresses import hosts_from_value
from blockd.settings.section import Section, setting
from blockd.settings.transfer import Tsig
from blockd.settings.values import ZoneName, shown


def role_from_text(value: str) -> str:
    """Give a delegated role's name; raises ValueError with a problem's sentence."""
    if not is_role(value):
        allowed = "allowed are small letters, digits and hyphens inside, 1 to 32 of them, and no role of the repository"
        raise ValueError(f"{shown(value)} is no authority's role; {allowed}")
    return value


Role = Annotated[str, AfterValidator(role_from_text)]
Hosts = Annotated[tuple[str, ...], PlainValidator(hosts_from_value)]


class Authority(Section):
    """What is done with one authority's orders, where that is not what is done with the feed's."""

    at_expiry: Literal["keep", "stop"] = Field(
        description="When the feed or this authority's part of it is at its end: keep enforcing and tell, or stop."
    )


class Notify(Section):
    """Who may wake the next look by a NOTIFY (RFC 1996), which is a hint and never more."""

    zone: ZoneName = Field(description="The zone that a NOTIFY for this feed names.")
    sources: Hosts = Field(alias="from", description="The addresses that a NOTIFY is heard from, one or a list.")
    tsig: Tsig | None = setting(None, "The key that it must be signed with.", validate_default=False)
