"""Checks of the resolvers that blockd forwards to: the same ones, by the same rules, as the daemon's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blockd.dns import types
from blockd.doctor.finding import Context, Finding, Grade, bad, ok, warning
from blockd.doctor.machine import Asked
from blockd.doctor.upstream_question import UpstreamQuestion, questions_of
from blockd.resolver.machine.observation import Observation
from blockd.resolver.machine.system import STUB
from blockd.resolver.resolution import Resolution

SLOW = 1.0  # seconds for an answer that a resolver has in its cache
_NOT_HEARD = "Check that it is running and that no firewall is in between."
_TO_CHECK = {  # by what failed; else, or if nothing was heard, the above
    "tls": "Check the port, the name and the pins behind `#`, and this machine's clock; ask whoever runs it.",
    "http": "Check the port and the path, and whether a portal or a proxy is in between.",
    "closed": "Ask whoever runs it why it ends connections of this machine.",
    "malformed": "Ask whoever runs it, or use another resolver: blockd passes no such answer on.",
}
_REFUSALS = {types.SERVFAIL: "SERVFAIL", types.REFUSED: "REFUSED", types.NOTIMP: "NOTIMP", types.FORMERR: "FORMERR"}


def upstream_loops(case: Context) -> Iterator[Finding]:
    """Check that no question would come back to blockd itself, directly or through systemd-resolved."""
    resolution = _resolution(case)
    for one in resolution.left_out:
        yield bad(
            one.why,
            "Name your resolvers in `upstreams` instead of system."
            if one.upstream == STUB
            else "Name your resolvers in `upstreams`.",
        )
    if resolution.observation.stub and not resolution.observation.is_circle:
        asked = " and ".join(resolution.observation.stub)
        yield bad(
            f"systemd-resolved ({STUB.label}) asks {asked}, which is blockd itself: questions may loop",
            "Name your resolvers in `upstreams` instead of system.",
        )
    elif not resolution.left_out:
        yield ok("no upstream is blockd itself")


def upstreams(case: Context) -> Iterator[Finding]:
    """Check that every upstream of every group answers a question in time."""
    questions = questions_of(_resolution(case))
    timeout = case.settings.upstream.timeout
    yield from findings_of(questions, case.machine.ask(questions, timeout) if questions else [], timeout)


def findings_of(questions: Sequence[UpstreamQuestion], answers: Sequence[Asked], timeout: float) -> Iterator[Finding]:
    """Yield what is to be said of each answer; `timeout` is how many seconds blockd waits for one."""
    if not any(not question.zone for question in questions):
        yield bad(
            "there is no upstream: names that are not listed get SERVFAIL",
            "Name your resolvers in `upstreams`; /etc/resolv.conf, which system refers to, names none.",
        )
    failed = {question.zone for question in questions} - {
        question.zone for question, one in zip(questions, answers, strict=True) if not _is_failed(question, one)
    }
    for question, one in zip(questions, answers, strict=True):
        yield _finding(question, one, timeout, Grade.BAD if question.zone in failed else Grade.WARNING)


def _is_failed(question: UpstreamQuestion, one: Asked) -> bool:
    return bool(one.failure) or one.rcode in _REFUSALS or (bool(question.zone) and one.rcode != types.NOERROR)


def _finding(question: UpstreamQuestion, one: Asked, timeout: float, grade: Grade) -> Finding:
    """Return what is to be said of an answer; `grade` is that of a failure: bad if no other upstream can do it."""
    name = question.upstream.label
    milliseconds, limit = one.seconds * 1000, timeout * 1000
    if one.failure:
        return Finding(grade, one.failure, _TO_CHECK.get(one.kind, _NOT_HEARD))
    if one.rcode in _REFUSALS:
        about = f" for {question.about}" if question.zone else ""
        return Finding(
            grade,
            f"{name} answers {_REFUSALS[one.rcode]}{about}",
            "Check that it is configured to resolve for this machine.",
        )
    if one.rcode != types.NOERROR and question.zone:
        what = "NXDOMAIN" if one.rcode == types.NXDOMAIN else f"rcode {one.rcode}"
        return Finding(
            grade, f"{name} answers {what} for {question.about}", "Name the servers of that zone in `forward`."
        )
    if one.rcode != types.NOERROR:
        return warning(
            f"{name} answers a question for the root of the DNS with rcode {one.rcode}",
            "Use a resolver that resolves every name.",
        )
    if not one.recurses and not question.zone:
        return warning(
            f"{name} does not resolve for this machine (RA is not set)",
            "Allow this machine at that resolver, or use another one.",
        )
    about = f" about {question.about}" if question.zone else ""
    if milliseconds > limit:
        return warning(
            f"{name} took {milliseconds:.0f} ms to answer{about}; upstream.timeout is {limit:.0f} ms, so clients get "
            "SERVFAIL",
            "Use a nearer resolver, or raise upstream.timeout.",
        )
    if one.seconds > SLOW:
        return warning(
            f"{name} took {milliseconds:.0f} ms to answer{about}; more than {SLOW * 1000:.0f} ms is slow",
            "Use a nearer resolver; clients wait for names that are not cached, upstream.timeout at most.",
        )
    return ok(f"{name} answered{about} in {milliseconds:.0f} ms")


def _resolution(case: Context) -> Resolution:
    return Resolution.by(case.settings, Observation.of(case.settings, case.machine))
