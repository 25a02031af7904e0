"""Sections about encrypted DNS, and about whom and what it tells: certificates, DoH, discovery, structured errors."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import PlainValidator

from blockd.orders import Action
from blockd.orders.structured import StructuredReply
from blockd.settings.addresses import ClientNetwork, hosts_from_value
from blockd.settings.hosts import certificate_name
from blockd.settings.paths_and_urls import ConfigPath, PageUrl
from blockd.settings.section import Section, Whole, setting
from blockd.settings.values import shown

MAX_CERTIFICATES = 64  # each is in the memory of every worker
MAX_FRONTS = 1_000  # networks of load balancers and the like, as many as `clients.front_ends`
MAX_DISCOVERED = 16  # addresses in one answer
MAX_DOH_PATH = 255  # octets
DOH_PATH_PATTERN = r"^/[A-Za-z0-9._~!$&'()*+,;=:@/-]*$"  # what RFC 3986 section 3.3 allows without escapes
MAX_DATABASE = 63  # characters
MAX_SERVER_ID = 64  # octets: with it, a server cookie and the longest name an answer fits in 512 octets
SERVER_ID_PATTERN = r"^[!-~]*$"  # what every tool prints as it is


class Certificate(Section):
    """A certificate, as two files in PEM."""

    chain: ConfigPath = setting(..., "The file with the server's certificate, and those that lead to an authority.")
    key: ConfigPath = setting(..., "The file with its private key.")


class TlsSettings(Section):
    """What DNS over TLS and HTTPS share."""

    ticket_secrets: ConfigPath | None = setting(
        None,
        "The file with the secrets of session tickets, for several servers that clients take for one; without it new "
        "secrets are made at each start.",
    )


class DohSettings(Section):
    """How DNS over HTTPS is answered."""

    path: str = setting(
        "/dns-query",
        "The path at which questions are answered.",
        strict=True,
        max_length=MAX_DOH_PATH,
        pattern=DOH_PATH_PATTERN,
    )
    plain_from: tuple[ClientNetwork, ...] = setting(
        (), "Networks of front ends that terminate TLS, and speak plain HTTP to `listen.doh`.", max_length=MAX_FRONTS
    )
    client_header: Literal["", "forwarded", "x-forwarded-for"] = setting(
        "",
        "The header whose last address is the client's, in requests of these front ends; if empty, PROXY protocol, or "
        "the front end itself.",
    )


def server_name_from_value(value: object) -> str:
    """Parse the host name of a resolver, or an empty text; raises ValueError."""
    if value == "":
        return ""
    name = certificate_name(value) if isinstance(value, str) else None
    if name is None or ":" in name or name.rpartition(".")[2].isdigit() or "." not in name:
        raise ValueError(f"expected the resolver's host name, such as dns.example.net, got {shown(value)}")
    return name


_DISCOVERED = PlainValidator(partial(hosts_from_value, least=0, most=MAX_DISCOVERED))


class Discovery(Section):
    """How clients find this resolver's encrypted transports (RFC 9462)."""

    name: Annotated[str, PlainValidator(server_name_from_value)] = setting(
        "", "The resolver's name, which is in its certificate; if empty, clients are told nothing."
    )
    addresses: Annotated[tuple[str, ...], _DISCOVERED] = setting(
        (), "Its addresses as clients reach them; by default those that are listened on."
    )
    dot_port: Whole | None = setting(None, "The port of DNS over TLS as clients reach it.", ge=1, le=65535)
    doh_port: Whole | None = setting(None, "The port of DNS over HTTPS as clients reach it.", ge=1, le=65535)


class Public(Section):
    """The page about orders, which may face everybody."""

    url: PageUrl = setting("", "Its address as others reach it, such as https://blocked.example.net/.")


class ProxyProtocol(Section):
    """Front ends that say for whom they ask (PROXY protocol, version 2)."""

    networks: tuple[ClientNetwork, ...] = setting(
        (),
        "Their networks. What comes from there must begin with a header of that protocol; from elsewhere it must not.",
        alias="from",
        max_length=MAX_FRONTS,
    )


class StructuredErrors(Section):
    """What clients over encrypted transports are told that ask for a reason that programs can read."""

    client_option: Whole = setting(
        0, "The code of the EDNS option by which they ask; 0 for none, since none is assigned yet.", ge=0, le=65534
    )
    answer: Literal["nxdomain", "nodata"] = setting("nxdomain", "What they get in place of the sinkhole's address.")
    database: str = setting(
        "",
        "The name of this operator's database in the registry of filtering databases; if empty, none is named.",
        strict=True,
        max_length=MAX_DATABASE,
        pattern=r"^[A-Za-z0-9.-]*$",
    )

    @property
    def reply(self) -> StructuredReply:
        """What they get."""
        return StructuredReply(Action(self.answer), self.database)
