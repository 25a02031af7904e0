"""How the resolver is: by transport, by what answered, its upstreams, and the names that fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

MAX_FAILING = 100  # names shown


@dataclass(frozen=True, slots=True)
class TransportRates:
    """Questions per second of one transport over the last minute; connections per second where it has any.

    `error_share` is the share of its TLS handshakes, and of connections closed for the sake of others, that failed:
    0 to 1, None if there was none.
    """

    queries: float
    connections: float | None
    handshakes: float | None
    handshakes_failed: float | None
    closed: float | None  # connections closed for the sake of others
    error_share: float | None


@dataclass(frozen=True, slots=True)
class AnswerRates:
    """Answers of one kind per second over the last minute; `seconds` is their mean latency where it is measured."""

    rate: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FailingName:
    """A question that upstreams failed to answer; it is not asked again before `until` (RFC 3339). Of no client."""

    name: str
    type: str
    why: str
    until: str
    upstream: str  # or the zone that is forwarded, `.` for all other names
    workers: int  # that remember it


@dataclass(frozen=True, slots=True)
class ResolverHealth:
    """The resolver over the last minute.

    `answers` has `blocked`, `cached`, `stale`, `local`, `missed` and `failed`; `upstreams` are those of
    `/api/status`. `more_failing` is how many failing names are not shown, `silent` are the workers that did not tell.
    """

    transports: Mapping[str, TransportRates]
    answers: Mapping[str, AnswerRates]
    upstreams: tuple[Mapping[str, object], ...]
    failing_names: tuple[FailingName, ...]
    more_failing: int
    silent: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "transports": {name: asdict(rates) for name, rates in self.transports.items()},
            "answers": {name: asdict(rates) for name, rates in self.answers.items()},
            "upstreams": [dict(upstream) for upstream in self.upstreams],
            "failing_names": [asdict(name) for name in self.failing_names],
            "more_failing": self.more_failing,
            "silent": list(self.silent),
        }
