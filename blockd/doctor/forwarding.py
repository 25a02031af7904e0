"""Checks of the resolvers that blockd forwards to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from blockd.dns import types
from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.doctor.machine import STUB
from blockd.settings import SYSTEM_UPSTREAM, SocketAddress, Upstream

SLOW = 1.0  # seconds for an answer that a resolver has in its cache
_REFUSALS = {types.SERVFAIL: "SERVFAIL", types.REFUSED: "REFUSED", types.NOTIMP: "NOTIMP", types.FORMERR: "FORMERR"}


def upstream_loops(case: Context) -> Iterator[Finding]:
    """Check that no question would come back to blockd itself, directly or through systemd-resolved."""
    zones = [upstream for zone in case.settings.forward for upstream in zone.upstreams]
    forwarders = _forwarders(case, zones)
    loops = [upstream for upstream in forwarders if _is_own(case, upstream)]
    by_stub = [one for one in case.machine.stub_upstreams() if _is_own(case, one)] if STUB in forwarders else []
    for upstream in loops:
        yield bad(f"the upstream {upstream.text} is blockd itself", "Name your resolvers in `upstreams`.")
    for upstream in by_stub:
        yield bad(
            f"systemd-resolved ({STUB.text}) asks {upstream.text}, which is blockd itself: questions would loop",
            "Name your resolvers in `upstreams` instead of system.",
        )
    if not loops and not by_stub:
        yield ok("no upstream is blockd itself")


def upstreams(case: Context) -> Iterator[Finding]:
    """Check that every upstream answers a question in time."""
    asked = [upstream for upstream in _forwarders(case) if not _is_own(case, upstream)]
    if not asked:
        yield bad(
            "there is no upstream: names that are not listed get SERVFAIL",
            "Name your resolvers in `upstreams`; /etc/resolv.conf, which system refers to, names none.",
        )
        return
    answers = case.machine.ask(asked)
    grade = bad if all(one.failure or one.rcode in _REFUSALS for one in answers) else warning
    for upstream, one in zip(asked, answers, strict=True):
        milliseconds, limit = one.seconds * 1000, min(case.settings.upstream.timeout, SLOW) * 1000
        if one.failure:
            yield grade(one.failure, "Check that it is running and that no firewall is in between.")
        elif one.rcode in _REFUSALS:
            yield grade(
                f"{upstream.text} answers {_REFUSALS[one.rcode]}",
                "Check that it is configured to resolve for this machine.",
            )
        elif one.rcode != types.NOERROR:
            yield warning(
                f"{upstream.text} answers a question for the root of the DNS with rcode {one.rcode}",
                "Use a resolver that resolves every name.",
            )
        elif not one.recurses:
            yield warning(
                f"{upstream.text} does not resolve for this machine (RA is not set)",
                "Allow this machine at that resolver, or use another one.",
            )
        elif milliseconds > limit:
            yield warning(
                f"{upstream.text} took {milliseconds:.0f} ms to answer; more than {limit:.0f} ms is slow",
                "Use a nearer resolver; clients wait for names that are not cached, upstream.timeout at most.",
            )
        else:
            yield ok(f"{upstream.text} answered in {milliseconds:.0f} ms")


def _forwarders(case: Context, others: Sequence[Upstream] = ()) -> list[Upstream]:
    """Return the upstreams for all names, and others, with `system` replaced by those of the machine."""
    found: dict[Upstream, None] = {}
    for upstream in (*case.settings.upstreams, *others):
        try:
            found.update(dict.fromkeys(case.machine.system_upstreams() if upstream == SYSTEM_UPSTREAM else [upstream]))
        except OSError:
            continue  # no resolv.conf is no upstream, which is what is answers
    return list(found)


def _is_own(case: Context, upstream: Upstream) -> bool:
    """Return whether blockd listens at an upstream's address, also through a wildcard address."""
    theirs = SocketAddress(upstream.host, upstream.port)
    for mine in case.settings.listen.dns:
        if mine == theirs:
            return True
        if ipaddress.ip_address(mine.host).is_unspecified and mine.clashes_with(theirs):
            return case.machine.has_address(theirs.host)
    return False
