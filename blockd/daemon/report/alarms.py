"""The alarms in force: what an operator must know of now. `config/alerts.yml` has the same ones for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from blockd.daemon.ruleset_switcher import Pin
from blockd.daemon.update.expiry import end_of, ends_of_roles
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.workers import Workers
from blockd.ruleset import Enforced
from blockd.selftest import SelfTests

STALE = 3 * 3600.0  # seconds without a look that went well, or two of the feed's intervals where that is more
FIRST_LOOK = 900.0  # seconds after the start in which a feed that has never given anything is given time
EXPIRES_SOON = 86400.0  # seconds to a feed's expiry; whoever signs has a day to do so
UNCHANGED = 7 * 86400.0  # seconds since the ruleset was made


@dataclass(frozen=True, slots=True)
class Alarm:
    """One of them; `severity` is `critical`, `warning`, or `info` for what may well be meant to be so."""

    name: str  # as the Prometheus rule is called
    severity: str
    feed: str  # empty if it is about no feed
    what: str  # has happened
    in_force: str  # what is enforced meanwhile
    todo: str
    authority: str = ""  # the role of the one that it is about, where it is about one

    def to_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return asdict(self)


def alarms(
    enforced: Enforced | None,
    feeds: Mapping[str, ManagedFeed],
    workers: Workers,
    tests: SelfTests,
    engine: str,
    *,
    pin: Pin | None = None,
    audit: str = "",
    started: float,
    now: float,
) -> list[Alarm]:
    """Return the alarms in force at `now`, the gravest first."""
    found = [
        *_of_workers(enforced, workers),
        *_of_self_test(tests),
        *(alarm for name, tracked in feeds.items() for alarm in _of_feed(name, tracked, started, now)),
        *_of_ruleset(enforced, now),
        *_of_pin(pin),
        *_of_audit(audit),
        *_of_engine(engine),
    ]
    return sorted(found, key=lambda alarm: ("critical", "warning", "info").index(alarm.severity))


def _of_workers(enforced: Enforced | None, workers: Workers) -> Iterator[Alarm]:
    if enforced is None:
        yield Alarm(
            "BlockdNotReady", "critical", "", "No list is enforced yet.", "nothing",
            "Read what is said of the feeds: one of them must give a list.",
        )  # fmt: skip
    elif behind := workers.behind(enforced.version):
        yield Alarm(
            "BlockdNotReady", "critical", "", f"Workers {behind} do not enforce version {enforced.version}.",
            f"version {enforced.version} by the other workers", "Read the log: it says why they do not start.",
        )  # fmt: skip


def _of_pin(pin: Pin | None) -> Iterator[Alarm]:
    if pin is not None:
        yield Alarm(
            "BlockdPinned", "info", "", f"An operator went back to version {pin.version}; what is new waits.",
            f"version {pin.version}", "`blockd rollback --release` once the lists are right again.",
        )  # fmt: skip


def _of_audit(trouble: str) -> Iterator[Alarm]:
    if trouble:
        yield Alarm(
            "BlockdAuditFailed", "critical", "", trouble, "all of it: enforcing does not depend on the audit log",
            "Give the state folder room and its user the right to write; keep what was set aside, and check it with "
            "`blockd audit verify FILE`.",
        )  # fmt: skip


def _of_self_test(tests: SelfTests) -> Iterator[Alarm]:
    if tests.last is not None and tests.last.outcome.failure:
        yield Alarm(
            "BlockdSelfTestFailed", "critical", "",
            f"The self-test of version {tests.last.version} failed: {tests.last.outcome.failure}.",
            "the version before, where there was one",
            "Please report it with the log. A restart makes the workers anew.",
        )  # fmt: skip


def _of_feed(name: str, tracked: ManagedFeed, started: float, now: float) -> Iterator[Alarm]:
    before = "what it gave before" if tracked.state.accepted_digest else "nothing of it"
    if tracked.refusal:
        yield Alarm(
            "BlockdFeedRefused", "warning", name, f"What it gives is refused: {tracked.refusal}", before,
            "`blockd check` shows what is wrong; inform the publisher of the list.",
        )  # fmt: skip
    if not tracked.source.feed.is_own and is_stale(tracked.state.checked, tracked.source.interval, started, now):
        yield Alarm(
            "BlockdFeedStale", "warning", name, "No look at it has gone well for long.", before,
            "See whether its source can be reached from here, and who is in charge of it.",
        )  # fmt: skip
    expires = end_of(tracked.source.feed, tracked.state)
    if expires is not None and expires <= now:
        yield Alarm(
            "BlockdFeedExpired", "critical", name, "It is at its end: not signed or confirmed anew in time.",
            _after_end(tracked), "Tell whoever makes it; until then nothing new of it is believed.",
        )  # fmt: skip
    elif tracked.source.feed.is_signed and expires is not None and expires < now + EXPIRES_SOON:
        yield Alarm(
            "BlockdFeedExpiresSoon", "warning", name, "Its signatures expire within a day.", "all of it",
            "Tell the authority to sign and publish.",
        )  # fmt: skip
    yield from _of_authorities(name, tracked, now)


def _of_authorities(name: str, tracked: ManagedFeed, now: float) -> Iterator[Alarm]:
    state = tracked.state
    for role, sentence in tracked.authority_refusals.items():
        yield Alarm(
            "BlockdAuthorityRefused", "warning", name, f"What authority {role} gives is refused: {sentence}",
            "what it gave before", "`blockd status` has the sentence; tell the authority. All others go on.", role,
        )  # fmt: skip
    for role, end in ends_of_roles(state).items():
        if end <= now:
            yield Alarm(
                "BlockdAuthorityExpired", "critical", name, f"The part of authority {role} was not signed in time.",
                _after_end(tracked, role), "Tell the authority to sign and publish. All others go on.", role,
            )  # fmt: skip
        elif end < now + EXPIRES_SOON:
            yield Alarm(
                "BlockdAuthorityExpiresSoon", "warning", name,
                f"The signatures of authority {role} expire within a day.", "all of it",
                "Tell the authority to sign and publish.", role,
            )  # fmt: skip


def _after_end(tracked: ManagedFeed, role: str = "") -> str:
    """Say what is enforced of what has ended."""
    if not tracked.state.accepted_digest:
        return "nothing of it"
    is_stopped = tracked.source.feed.at_expiry_of(role) == "stop"
    return "nothing of it until it is good again (at_expiry)" if is_stopped else "what it gave before, marked as stale"


def is_stale(checked: float, interval: float, started: float, now: float) -> bool:
    """Whether a feed whose last good look was at `checked`, 0 for never, has gone without for too long."""
    if not checked:
        return now - started > FIRST_LOOK
    return now - checked > max(STALE, 2 * interval)


def _of_ruleset(enforced: Enforced | None, now: float) -> Iterator[Alarm]:
    if enforced is not None and now - enforced.ruleset.header.created > UNCHANGED:
        yield Alarm(
            "BlockdRulesetUnchanged", "info", "", "The ruleset has not changed for a week.", "all of it",
            "Nothing where your lists change seldom; else see whether their sources are the right ones.",
        )  # fmt: skip


def _of_engine(engine: str) -> Iterator[Alarm]:
    if engine != "native":
        yield Alarm(
            "BlockdPythonEngine", "info", "", "The Python engine runs: an eighth of the native one's speed.",
            "all of it", "Install a C compiler and Python's headers, and install blockd again.",
        )  # fmt: skip
