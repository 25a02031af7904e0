"""One message on its way through the pipeline's stages, and the outcomes of a stage."""

from __future__ import annotations

from enum import Enum

from blockd.dns import types
from blockd.orders import NEVER, Verdict
from blockd.resolver.cache import Cached, CacheKey
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.local.local_answer import Alias, is_answered_here
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.local.zone import LocalZoneData
from blockd.resolver.query import Query
from blockd.ruleset import NOT_LISTED
from blockd.settings.groups import EVERYBODY


class Outcome(Enum):
    """What a stage may return instead of an answer."""

    PASS = "the next stage decides"  # noqa: S105 - not a password
    WAIT = "an upstream must be asked"
    SILENCE = "no answer is sent"


class QueryContext:
    """One message from its arrival to its answer, with everything that the stages know about it.

    Of the client it holds only the host, for as long as the message takes.
    """

    __slots__ = (
        "aliases",
        "asked_cache",
        "asked_upstreams",
        "cached",
        "errors",
        "extended",
        "failure",
        "group",
        "hits",
        "host",
        "is_selftest",
        "is_stale",
        "is_unjudged",
        "leaves_extras_out",
        "local",
        "moment",
        "packet",
        "query",
        "stage",
        "stopped",
        "target",
        "until",
        "verdict",
    )

    query: Query

    def __init__(self, packet: bytes, host: str, is_selftest: bool = False, is_unjudged: bool = False) -> None:
        self.packet = packet
        self.host = host
        self.is_selftest = is_selftest  # the client is a self-test, which is not counted
        self.is_unjudged = is_unjudged  # it is a lookup's, which asks for the upstreams' answer
        self.group = EVERYBODY  # the number of the client's group
        self.verdict: Verdict = NOT_LISTED
        self.until = NEVER  # the second at which the answer may change
        self.hits: list[int] = []
        self.stopped: Verdict | None = None  # what keeps the client from the name's own records
        self.moment: tuple[bytes, int] | None = None  # of the policy that `verdict` belongs to
        self.target: bytes | None = None  # the key of the name that a CNAME action leads to
        self.aliases: tuple[Alias, ...] = ()  # the way from there, or from the question's name, out of local zones
        self.local: LocalZoneData | None = None  # the local zone that answers
        self.errors = b""  # the EDE option that goes with it
        self.leaves_extras_out = False  # the answer is given without its additional section
        self.cached: Cached | None = None
        self.is_stale = False  # `cached` has expired, and is given for want of a better answer
        self.failure: Failure | None = None
        self.extended = 0  # the upper bits of the rcode, RFC 6891 section 6.1.3
        self.asked_cache = False
        self.asked_upstreams = False  # the cache had no answer, if only to what a CNAME action leads to
        self.stage = 0

    def decide_anew(self) -> None:
        """Forget what the policy has decided, and what was answered by it."""
        self.hits.clear()
        self.verdict, self.target, self.errors, self.stopped = NOT_LISTED, None, b"", None
        self.cached = None

    @property
    def start(self) -> bytes:
        """The key of the name that aliases in local zones lead on from."""
        return self.query.key if self.target is None else self.target

    @property
    def lookup(self) -> CacheKey:
        """The key that is looked up in the cache and at upstreams."""
        query = self.query
        name = self.aliases[-1][0] if self.aliases else self.target or query.key
        return name, query.qtype, query.do, bool(query.flags & types.CD)

    def is_answered_by(self, local: LocalZones | None) -> bool:
        """Whether local zones have the whole answer, so that nothing must be asked or looked up for it."""
        return is_answered_here(local, self.lookup)
