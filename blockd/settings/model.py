"""The config file's sections as frozen values. Every default is written as in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import PlainValidator

from blockd.names.translation import MAX_TRANSLATIONS, WELL_KNOWN_TRANSLATIONS
from blockd.orders.disclosure import PublicOperator
from blockd.settings.addresses import ClientNetwork, Forwarder, SinkholeIPv4, SinkholeIPv6
from blockd.settings.encrypted import (
    MAX_CERTIFICATES,
    MAX_SERVER_ID,
    SERVER_ID_PATTERN,
    Certificate,
    Discovery,
    DohSettings,
    ProxyProtocol,
    Public,
    StructuredErrors,
    TlsSettings,
)
from blockd.settings.feeds import ConfiguredFeed
from blockd.settings.gate import GateSettings
from blockd.settings.groups import MAX_GROUPS, ClientGroup
from blockd.settings.limits import Limits
from blockd.settings.listening import ADMIN_SOCKET, Listen
from blockd.settings.local import MAX_ZONES, ForwardedZone, Local
from blockd.settings.log import Level, LogSettings
from blockd.settings.paths_and_urls import ConfigPath, OperatorUrl
from blockd.settings.ports import avoided_ports_from_value
from blockd.settings.section import Flag, Section, ShortText, Whole, setting
from blockd.settings.values import Nat64Prefix, Workers, ZoneName, size_or_auto, size_within, time_or_off, time_within

MAX_NETWORKS = 10_000  # client networks, all compared with an address that is seen for the first time
MAX_RATE = 1_000_000  # answers a second, more than a worker gives
MAX_FRONT_ENDS = 1_000  # networks of load balancers and the like
MAX_NAT64_PREFIXES = MAX_TRANSLATIONS - len(WELL_KNOWN_TRANSLATIONS)
MAX_UPSTREAMS = 16  # the resolver measures each of them
MAX_FEEDS = 1_000  # each has a label in metrics and a folder on disk

LOOPBACK_AND_PRIVATE = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # RFC 6598, behind a provider's NAT
    "fc00::/7",
    "fe80::/10",
)


class RateLimitSettings(Section):
    """How many answers a second go out over UDP to one network, of 24 bits or for IPv6 of 56."""

    responses_per_second: Whole = setting(
        0, "Equal answers to one network in each worker; 0 for no limit.", ge=0, le=MAX_RATE
    )
    errors_per_second: Whole = setting(
        0, "Errors such as SERVFAIL to one network in each worker; 0 for no limit.", ge=0, le=MAX_RATE
    )
    strangers_per_second: Whole = setting(
        5, "Refusals to one network outside `clients.allow` in each worker; 0 for no limit.", ge=0, le=MAX_RATE
    )
    slip: Whole = setting(
        2,
        "Of the answers to clients above these rates, one in so many is not dropped but sent empty, so that the client "
        "asks over TCP, or as an error with a cookie; an error is sent as it is. 0 for none.",
        ge=0,
        le=100,
    )


class ClientSettings(Section):
    """Which clients are served."""

    allow: tuple[ClientNetwork, ...] = setting(
        LOOPBACK_AND_PRIVATE, "The networks served; all others are refused.", max_length=MAX_NETWORKS
    )
    front_ends: tuple[ClientNetwork, ...] = setting(
        (),
        "Networks within these from which one address asks for many clients, as a load balancer does: what is counted "
        "by address or network, such as connections over TCP, has no limit for them.",
        max_length=MAX_FRONT_ENDS,
    )
    nat64_prefixes: tuple[Nat64Prefix, ...] = setting(
        (),
        "The prefixes by which clients reach IPv4 through NAT64, beside 64:ff9b::/96: what stands behind them in an "
        "answer is judged as the IPv4 address that it is.",
        max_length=MAX_NAT64_PREFIXES,
    )
    rate_limit: RateLimitSettings = setting({}, "How many answers one network gets.")
    cookie_secrets: ConfigPath | None = setting(
        None,
        "The file with the secrets of server cookies, for several servers that clients take for one; without it a new "
        "secret is made at each start.",
    )


class SinkholeSettings(Section):
    """The answer for a listed name."""

    ipv4: SinkholeIPv4 = setting("127.0.0.1", "The address in answers for A.")
    ipv6: SinkholeIPv6 = setting("::1", "The address in answers for AAAA.")
    ttl: Whole = setting(60, "How many seconds clients may cache a block.", ge=1, le=3600)


class Forwarding(Section):
    """How upstreams are asked."""

    timeout: Annotated[float, time_within("100ms", "30s")] = setting(
        "4s", "How long a client's question waits for upstreams at most."
    )
    attempts: Whole = setting(3, "How many times upstreams are asked for one question at most.", ge=1, le=3)
    mixed_case: Flag = setting(
        True, "Draw the case of letters in names at random, which answers must repeat (0x20); harder to forge."
    )
    cookies: Flag = setting(True, "Exchange DNS cookies with upstreams that know them (RFC 7873); harder to forge.")
    avoid_ports: Annotated[tuple[range, ...], PlainValidator(avoided_ports_from_value)] = setting(
        (), "Ports that no question is sent from, such as 5060 or 6000-6063, beside those that the kernel reserves."
    )
    flood_limit: Whole = setting(
        100,
        "How many new names a second may fail below one domain in each worker; above, one in ten of them is asked, and "
        "not more than so many, for the clients and networks that ask for most of them. 0 for no limit.",
        ge=0,
        le=1_000_000,
    )
    flood_exempt: tuple[ZoneName, ...] = setting(
        (), "Domains that this does not apply to, such as a blocklist that mail servers ask.", max_length=MAX_ZONES
    )


class CacheSettings(Section):
    """The cache of upstreams' answers."""

    size: Annotated[int, size_within("1M", "256G")] = setting("32M", "Memory for answers, in all workers together.")
    max_ttl: Annotated[float, time_within("1s", "7d")] = setting("1d", "The longest that an answer is cached.")
    max_negative_ttl: Annotated[float, time_within("0s", "1d")] = setting(
        "1h", "The longest that a negative answer is cached."
    )
    client_ttl: Annotated[float, time_within("1s", "7d")] = setting(
        "1h", "The longest that clients may cache any answer, so that a new block reaches them."
    )
    stale: Annotated[float, time_within("0s", "7d")] = setting(
        "1d", "How long after it has expired an answer may be given if upstreams fail; 0s for never."
    )
    stale_after: Annotated[float, time_within("100ms", "30s")] = setting(
        "1800ms", "How long a client waits for upstreams before it gets an answer that has expired, if there is one."
    )
    prefetch: bool = setting(
        True, "Whether names that are asked often are asked anew before their answers expire.", strict=True
    )


class Operator(Section):
    """Who runs this resolver, and therefore blocks (RFC 7725)."""

    name: ShortText = setting("", "The name on the block page.")
    url: OperatorUrl = setting(
        "", "Named as blocked-by in the block page's header; if empty, the block page's own address."
    )
    contact: ShortText = setting("", "How to reach the operator: a mail address or a URL.")

    @property
    def disclosed(self) -> PublicOperator:
        """What is said of the operator in answers."""
        return PublicOperator(self.name, self.contact)


class VersionSettings(Section):
    """The rulesets kept on disk."""

    keep: Whole = setting(
        5, "How many of the last rulesets are kept to go back to, beside one for each hour and day.", ge=1, le=100
    )
    max_size: Annotated[int | None, PlainValidator(size_or_auto)] = setting(
        "auto", "Room for them on the disk: 10M to 100T, or auto, the lesser of 10 GB and a quarter of the disk."
    )


class Audit(Section):
    """Statements about what was enforced."""

    statement: Annotated[float | None, PlainValidator(time_or_off)] = setting(
        "1d", "How often a signed statement of enforcement is made: 1h to 30d, or off."
    )


class DutySettings(Section):
    """How fast orders are to be enforced."""

    deadline: Annotated[float, time_within("1m", "90d")] = setting(
        "1d", "In what time orders are to be enforced and lifted; the duty clock counts those that took longer."
    )


class Settings(Section):
    """The whole config file."""

    state_dir: ConfigPath = setting("../var", "The folder for rulesets, feeds and state.")
    workers: Workers = setting("auto", "How many resolver processes; auto is one for each core.")
    user: str = setting(
        "",
        "The user to switch to once all ports are bound; if empty, none.",
        strict=True,
        pattern=r"^(?:[a-z_][a-z0-9_-]{0,31})?$",
    )
    listen: Listen = setting({}, "Where blockd listens.")
    certificates: tuple[Certificate, ...] = setting(
        (),
        "For DNS over TLS and HTTPS and the page about orders; of several the one whose names fit is shown, else the "
        "first.",
        max_length=MAX_CERTIFICATES,
    )
    tls: TlsSettings = setting({}, "What DNS over TLS and HTTPS share.")
    doh: DohSettings = setting({}, "How DNS over HTTPS is answered.")
    discovery: Discovery = setting({}, "How clients find this resolver's encrypted transports.")
    public: Public = setting({}, "The page about orders, which may face everybody.")
    proxy_protocol: ProxyProtocol = setting({}, "Front ends that say for whom they ask.")
    structured_errors: StructuredErrors = setting({}, "Reasons for programs, to clients that ask for them.")
    server_id: str = setting(
        "",
        "What tells this server from others: for clients that ask with NSID or for id.server; if empty, neither.",
        strict=True,
        max_length=MAX_SERVER_ID,
        pattern=SERVER_ID_PATTERN,
    )
    clients: ClientSettings = setting({}, "Which clients are served.")
    sinkhole: SinkholeSettings = setting({}, "The answer for a listed name.")
    upstreams: tuple[Forwarder, ...] = setting(
        ("system",), "The resolvers that blockd forwards to.", min_length=1, max_length=MAX_UPSTREAMS
    )
    upstream: Forwarding = setting({}, "How upstreams are asked.")
    forward: tuple[ForwardedZone, ...] = setting((), "Zones that have upstreams of their own.", max_length=MAX_ZONES)
    local: Local = setting({}, "What is answered here, without asking upstreams.")
    canaries: Flag = setting(
        False,
        "Tell browsers and devices that names are filtered here, so that they do not go round this resolver unasked.",
    )
    cache: CacheSettings = setting({}, "The cache of upstreams' answers.")
    operator: Operator = setting({}, "Who runs this resolver.")
    at_first_start: Literal["serve", "refuse"] = setting(
        "serve", "Before the first list: serve without enforcing, or refuse to answer."
    )
    feeds: tuple[ConfiguredFeed, ...] = setting((), "Where lists come from.", max_length=MAX_FEEDS)
    groups: tuple[ClientGroup, ...] = setting(
        (), "Clients to whom only some feeds apply. To clients in none of them all feeds apply.", max_length=MAX_GROUPS
    )
    gate: GateSettings = setting({}, "What a new ruleset must pass before it is enforced.")
    limits: Limits = setting({}, "What one feed may take of this machine; one that takes more is refused alone.")
    versions: VersionSettings = setting({}, "The rulesets kept on disk.")
    audit: Audit = setting({}, "Statements about what was enforced.")
    duty: DutySettings = setting({}, "How fast orders are to be enforced.")
    log: LogSettings = setting({}, "The log.")
    log_level: Level | None = setting(None, "The earlier name of `log.level`; only one of them may be given.")

    @property
    def logged(self) -> LogSettings:
        """The section about the log, with the level wherever it was given."""
        return self.log if self.log_level is None else self.log.model_copy(update={"level": self.log_level})

    @property
    def admin_socket(self) -> Path:
        """The Unix socket of the admin API."""
        return self.listen.admin_socket or self.state_dir / ADMIN_SOCKET

    @property
    def block_ttl(self) -> int:
        """How many seconds clients may cache a block: no longer than any answer."""
        return min(self.sinkhole.ttl, int(self.cache.client_ttl))

    @property
    def block_page_url(self) -> str:
        """The block page's own address as clients reach it: the sinkhole's; empty if there is no block page."""
        if not self.listen.block_page.http:
            return ""
        port = self.listen.block_page.http[0].port
        return f"http://{self.sinkhole.ipv4}{'' if port == 80 else f':{port}'}/"

    @property
    def blocked_by(self) -> str:
        """The URL that says who blocks: the operator's, else the block page's own; empty if there is neither."""
        return self.operator.url or self.block_page_url
