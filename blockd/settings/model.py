"""The config file's sections as frozen values. Every default is written as in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from blockd.settings.addresses import ClientNetwork, Forwarder, Listening, SinkholeIPv4, SinkholeIPv6
from blockd.settings.feeds import ConfiguredFeed
from blockd.settings.paths_and_urls import (
    ConfigPath,
    OperatorUrl,
    popular_from_value,
    protected_from_text,
    suffixes_from_value,
)
from blockd.settings.section import Section, ShortText, Whole, setting
from blockd.settings.values import Growth, Share, Workers, size_within, time_or_off, time_within

MAX_LISTENED = 64  # addresses of one kind: each is a socket in every worker
MAX_NETWORKS = 10_000  # client networks, all compared with an address that is seen for the first time
MAX_UPSTREAMS = 16  # the resolver measures each of them
MAX_PROTECTED = 64  # files of one kind: each is read at the start
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


def _not_offered(value: tuple[object, ...]) -> tuple[object, ...]:
    if value:
        raise ValueError("is not offered by this version; leave it empty")
    return value


class BlockPage(Section):
    """Where the sinkhole listens."""

    http: tuple[Listening, ...] = setting(
        ("127.0.0.1:8080",), "Where the block page answers HTTP.", max_length=MAX_LISTENED
    )
    https: tuple[Listening, ...] = setting(
        ("127.0.0.1:8444",), "Where TLS is counted and refused.", max_length=MAX_LISTENED
    )


class Listen(Section):
    """Where blockd listens."""

    dns: tuple[Listening, ...] = setting(
        ("127.0.0.1:8053", "[::1]:8053"),
        "Where DNS is answered, over UDP and TCP.",
        min_length=1,
        max_length=MAX_LISTENED,
    )
    dot: Annotated[tuple[object, ...], AfterValidator(_not_offered)] = setting(
        (), "DNS over TLS; not offered by this version."
    )
    doh: Annotated[tuple[object, ...], AfterValidator(_not_offered)] = setting(
        (), "DNS over HTTPS; not offered by this version."
    )
    block_page: BlockPage = setting({}, "Where the sinkhole listens.")
    admin: Listening = setting("127.0.0.1:9053", "Where metrics, health and the admin API are.")


class ClientSettings(Section):
    """Which clients are served."""

    allow: tuple[ClientNetwork, ...] = setting(
        LOOPBACK_AND_PRIVATE, "The networks served; all others are refused.", max_length=MAX_NETWORKS
    )


class SinkholeSettings(Section):
    """The answer for a listed name."""

    ipv4: SinkholeIPv4 = setting("127.0.0.1", "The address in answers for A.")
    ipv6: SinkholeIPv6 = setting("::1", "The address in answers for AAAA.")
    ttl: Whole = setting(60, "How many seconds clients may cache a block.", ge=1, le=3600)


class Forwarding(Section):
    """How upstreams are asked."""

    timeout: Annotated[float, time_within("50ms", "30s")] = setting("800ms", "How long one try may take.")
    attempts: Whole = setting(4, "How many times a question is tried.", ge=1, le=16)


class CacheSettings(Section):
    """The cache of upstreams' answers."""

    size: Annotated[int, size_within("1M", "256G")] = setting("32M", "Memory for answers, in all workers together.")
    max_ttl: Annotated[float, time_within("1s", "7d")] = setting("1d", "The longest that an answer is cached.")
    max_negative_ttl: Annotated[float, time_within("0s", "1d")] = setting(
        "1h", "The longest that a negative answer is cached."
    )


class Operator(Section):
    """Who runs this resolver, and therefore blocks (RFC 7725)."""

    name: ShortText = setting("", "The name on the block page.")
    url: OperatorUrl = setting("http://localhost:8080/", "Named as blocked-by in the block page's header.")
    contact: ShortText = setting("", "How to reach the operator: a mail address or a URL.")


def _popular_mode(known: dict[str, Any]) -> Any:
    return "report" if isinstance(known.get("popular", True), bool) else "hold"


class GateSettings(Section):
    """What a new ruleset must pass before it is enforced."""

    max_shrink: Share = setting("20%", "The share of a feed's names that may be removed in one update.")
    min_names: Whole = setting(1, "The fewest names that a feed may have.", ge=0, le=1_000_000_000)
    max_rejects: Share = setting("20%", "The share of a list's lines that may be rejected.")
    max_growth: Growth = setting("100%", "The share by which a feed of over 10,000 names may grow in one update.")
    public_suffixes: Annotated[Path | bool, PlainValidator(suffixes_from_value)] = setting(
        True,
        "The public suffix list whose names are held back: true for the one installed, false for none, or a path.",
        json_schema_extra={"default": "true"},
    )
    protected: tuple[Annotated[Path, PlainValidator(protected_from_text)], ...] = setting(
        ("shipped",), "Lists of names that no list may block; shipped is blockd's own.", max_length=MAX_PROTECTED
    )
    popular: Annotated[Path | bool, PlainValidator(popular_from_value)] = setting(
        True,
        "A list of names by popularity: true for the one that comes with blockd, false for none, or a path.",
        json_schema_extra={"default": "true"},
    )
    popular_count: Whole = setting(10_000, "How many of the popular names count.", ge=1, le=1_000_000)
    popular_mode: Literal["report", "hold"] = Field(
        default_factory=_popular_mode,
        description="Whether popular names that a list blocks are reported only, or held back.",
        json_schema_extra={"default": "hold with a path in popular, else report"},
    )
    min_prefix_ipv4: Whole = setting(
        16,
        "The shortest prefix, in bits, of an IPv4 network that a list may block.",
        ge=0,
        le=32,
    )
    min_prefix_ipv6: Whole = setting(32, "The same of an IPv6 network.", ge=0, le=128)
    release: tuple[ConfigPath, ...] = setting(
        (), "Lists of names and networks that are let through, though the gate would hold them back.",
        max_length=MAX_PROTECTED,
    )  # fmt: skip


class VersionSettings(Section):
    """The rulesets kept on disk."""

    keep: Whole = setting(5, "How many rulesets are kept to go back to.", ge=1, le=100)


class Audit(Section):
    """Statements about what was enforced."""

    statement: Annotated[float | None, PlainValidator(time_or_off)] = setting(
        "1d", "How often a signed statement of enforcement is made: 1h to 30d, or off."
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
    clients: ClientSettings = setting({}, "Which clients are served.")
    sinkhole: SinkholeSettings = setting({}, "The answer for a listed name.")
    upstreams: tuple[Forwarder, ...] = setting(
        ("system",), "The resolvers that blockd forwards to.", min_length=1, max_length=MAX_UPSTREAMS
    )
    upstream: Forwarding = setting({}, "How upstreams are asked.")
    cache: CacheSettings = setting({}, "The cache of upstreams' answers.")
    operator: Operator = setting({}, "Who runs this resolver.")
    at_first_start: Literal["serve", "refuse"] = setting(
        "serve", "Before the first list: serve without enforcing, or refuse to answer."
    )
    feeds: tuple[ConfiguredFeed, ...] = setting((), "Where lists come from.", max_length=MAX_FEEDS)
    gate: GateSettings = setting({}, "What a new ruleset must pass before it is enforced.")
    versions: VersionSettings = setting({}, "The rulesets kept on disk.")
    audit: Audit = setting({}, "Statements about what was enforced.")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "The lowest severity that is logged.")
