"""Checks of the resolvers that blockd asks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from blockd.dns import types
from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.doctor.machine import STUB
from blockd.settings import SYSTEM_UPSTREAM, SocketAddress, Upstream

_REFUSALS = {types.SERVFAIL: "SERVFAIL", types.REFUSED: "REFUSED", types.NOTIMP: "NOTIMP", types.FORMERR: "FORMERR"}


def upstream_loops(case: Context) -> Iterator[Finding]:
    """Whether a question would come back to blockd itself, directly or by systemd-resolved."""
    loops = [upstream for upstream in _forwarders(case) if _is_own(case, upstream)]
    by_stub = [one for one in case.machine.stub_upstreams() if _is_own(case, one)] if STUB in _forwarders(case) else []
    for upstream in loops:
        yield bad(f"the upstream {upstream.text} is blockd itself", "Name your resolvers in `upstreams`.")
    for upstream in by_stub:
        yield bad(
            f"systemd-resolved ({STUB.text}) asks {upstream.text}, which is blockd itself: questions go in a circle",
            "Name your resolvers in `upstreams`, instead of system.",
        )
    if not loops and not by_stub:
        yield ok("no upstream is blockd itself")


def upstreams(case: Context) -> Iterator[Finding]:
    """Whether every upstream answers one question, and how fast."""
    asked = [upstream for upstream in _forwarders(case) if not _is_own(case, upstream)]
    if not asked:
        yield bad(
            "there is no upstream: names that are not listed get SERVFAIL",
            "Name your resolvers in `upstreams`; /etc/resolv.conf, which system stands for, names none.",
        )
        return
    told = case.machine.ask(asked)
    grade = bad if all(one.failure or one.rcode in _REFUSALS for one in told) else warning
    for upstream, one in zip(asked, told, strict=True):
        milliseconds, limit = one.seconds * 1000, case.settings.upstream.timeout * 1000
        if one.failure:
            yield grade(one.failure, "See that it runs, and that no firewall is between.")
        elif one.rcode in _REFUSALS:
            yield grade(f"{upstream.text} answers {_REFUSALS[one.rcode]}", "See that it resolves for this machine.")
        elif one.rcode != types.NOERROR:
            yield warning(
                f"{upstream.text} denies that the root of the DNS exists (rcode {one.rcode})",
                "Use a resolver that resolves every name.",
            )
        elif not one.recurses:
            yield warning(
                f"{upstream.text} does not resolve for this machine (RA is not set)",
                "Let this machine in at that resolver, or use another one.",
            )
        elif milliseconds > limit:
            yield warning(
                f"{upstream.text} answered in {milliseconds:.0f} ms; upstream.timeout is {limit:.0f} ms",
                "Use a nearer resolver, or raise upstream.timeout.",
            )
        else:
            yield ok(f"{upstream.text} answered in {milliseconds:.0f} ms")


def _forwarders(case: Context) -> list[Upstream]:
    """Return the upstreams, `system` replaced by the machine's own."""
    found: dict[Upstream, None] = {}
    for upstream in case.settings.upstreams:
        try:
            found.update(dict.fromkeys(case.machine.system_upstreams() if upstream == SYSTEM_UPSTREAM else [upstream]))
        except OSError:
            continue  # no resolv.conf is no upstream, which is what is told
    return list(found)


def _is_own(case: Context, upstream: Upstream) -> bool:
    """Whether blockd listens where an upstream is, also by an address that stands for all of the machine's."""
    theirs = SocketAddress(upstream.host, upstream.port)
    for mine in case.settings.listen.dns:
        if mine == theirs:
            return True
        if ipaddress.ip_address(mine.host).is_unspecified and mine.clashes_with(theirs):
            return case.machine.has_address(theirs.host)
    return False
