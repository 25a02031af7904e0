"""How the resolver is: rates of the last minute, upstreams, and the names that fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blockd.daemon.figures.totals import DNS, Growth
from blockd.names import DomainName
from blockd.orders.disclosure import CONFIDENTIAL
from blockd.printable import unproved
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Enforced
from blockd.web.figures.resolver import MAX_FAILING, AnswerRates, FailingName, TransportRates

ENCRYPTED = ("dot", "doh")
ASK_SECONDS = 3.0  # for what workers tell of the names that fail: somebody looks at a page meanwhile


def transports_of(growth: Growth) -> dict[str, TransportRates]:
    """Return the rates of each transport of DNS."""
    return {name: _transport(name, growth) for name in DNS}


def _transport(name: str, growth: Growth) -> TransportRates:
    if name == "udp":
        return TransportRates(_rounded(growth.rate(name)), None, None, None, None, None)
    connections, closed = growth.count(f"{name}_connection"), growth.count(f"{name}_closed")
    done, failed = growth.count(f"{name}_handshake"), growth.count(f"{name}_handshake_failed")
    is_encrypted = name in ENCRYPTED
    wrong, tried = closed + (failed if is_encrypted else 0), max(connections + closed, done + failed)
    return TransportRates(
        queries=_rounded(growth.rate(name)),
        connections=_rounded(growth.rate(f"{name}_connection")),
        handshakes=_rounded(growth.rate(f"{name}_handshake")) if is_encrypted else None,
        handshakes_failed=_rounded(growth.rate(f"{name}_handshake_failed")) if is_encrypted else None,
        closed=_rounded(growth.rate(f"{name}_closed")),
        error_share=round(min(wrong / tried, 1.0), 4) if tried else None,
    )


def answers_of(growth: Growth) -> dict[str, AnswerRates]:
    """Return the rates of each kind of answer; what upstreams took is the latency of what the cache did not have."""
    exchanges = growth.count("upstream")
    seconds = round(growth.count("upstream_microseconds") / 1_000_000 / exchanges, 6) if exchanges else None
    rates = {name: AnswerRates(_rounded(growth.rate(name))) for name in ("blocked", "cached", "stale", "local")}
    return {
        **rates,
        "missed": AnswerRates(_rounded(growth.rate("missed")), seconds),
        "failed": AnswerRates(_rounded(growth.rate("failed"))),
    }


def failing_names(
    answers: Iterable[Mapping[str, Any]], resolution: Resolution, enforced: Enforced | None
) -> tuple[list[FailingName], int]:
    """Return the names that fail, of what workers have told, and how many there are beside these.

    Those that are remembered longest come first. Raises ValueError, TypeError or KeyError for an answer that is none.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    more = 0
    for answer in answers:
        more = max(more, int(answer["more"]))
        for failure in answer["failures"]:
            found.setdefault((str(failure["key"]), str(failure["type"])), []).append(failure)
    names = sorted(
        (_failing(key, failures, resolution, enforced) for (key, _), failures in found.items()),
        key=lambda name: (name.until, name.name), reverse=True,
    )  # fmt: skip
    return names[:MAX_FAILING], more + len(names[MAX_FAILING:])


def _failing(
    text: str, failures: Sequence[Mapping[str, Any]], resolution: Resolution, enforced: Enforced | None
) -> FailingName:
    key = bytes.fromhex(text)
    newest = max(failures, key=lambda failure: str(failure["until"]))
    covering = enforced.covering(key) if enforced is not None else ()
    is_told = not any(one.verdict.order is not None and one.verdict.order.is_confidential for one in covering)
    return FailingName(
        name=DomainName(key).text if is_told else CONFIDENTIAL,
        type=str(newest["type"]),
        why=unproved(str(newest["why"])),
        until=str(newest["until"]),
        upstream=resolution.route(key).zone or ".",
        workers=len(failures),
    )


def _rounded(rate: float) -> float:
    return round(rate, 3)
