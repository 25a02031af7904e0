"""The alarms in force. `config/alerts.yml` has the same ones for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.pinning import Pin
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.update.disk_room import DiskRoom, Level
from blockd.daemon.update.expiry import end_of, ends_of_roles
from blockd.daemon.update.managed_feed import NOTHING, ManagedFeed
from blockd.daemon.update.ruleset_maker import SLOW, RulesetMaker
from blockd.daemon.workers import Workers
from blockd.ruleset import Enforced
from blockd.ruleset.format import MAX_CLAIMS_OF_ONE
from blockd.selftest import SelfTests
from blockd.times import span_text, time_text

STALE = 3 * 3600.0  # seconds without a successful poll, or two of the feed's intervals if that is more
FIRST_LOOK = 900.0  # seconds after the start in which a feed without content is not yet reported
EXPIRES_SOON = 86400.0  # seconds to a feed's expiry; the signers have a day
UNCHANGED = 7 * 86400.0  # seconds since the ruleset was made


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm; `severity` is `critical`, `warning`, or `info` for what may be intended."""

    name: str  # the name of the Prometheus rule
    severity: str
    feed: str  # empty if it is about no feed
    what: str  # happened
    in_force: str  # what is enforced meanwhile
    todo: str
    authority: str = ""  # the role of the authority that it is about, if any

    def to_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return asdict(self)


def alarms(
    enforced: Enforced | None,
    feeds: Mapping[str, ManagedFeed],
    workers: Workers,
    tests: SelfTests,
    engine: str,
    counts: OrderCounts,
    *,
    pin: Pin | None = None,
    base: int | None = None,
    watch: ClockWatch | None = None,
    page: str = "",
    decide: str = "",
    audit: str = "",
    releases: str = "",
    history: str = "",
    contradictions: int = 0,
    maker: RulesetMaker | None = None,
    room: DiskRoom | None = None,
    others: Iterable[Alarm] = (),
    started: float,
    now: float,
) -> list[Alarm]:
    """Return the alarms in force at `now`, the gravest first.

    `counts` are of `enforced`; `base` is the version that the one enforced was made from by other overrides, if it was.
    """
    found = [
        *_of_workers(enforced, workers),
        *_of_page(page),
        *_of_decide(decide),
        *_of_clock(watch),
        *_of_self_test(tests),
        *(alarm for name, managed in feeds.items() for alarm in _of_feed(name, managed, enforced, started, now)),
        *_of_ruleset(enforced, now),
        *_of_pin(pin, enforced, base),
        *_of_counters(counts),
        *_of_contradictions(contradictions),
        *_of_room(counts),
        *_of_audit(audit),
        *_of_releases(releases),
        *_of_history(history),
        *_of_compile(maker),
        *_of_disk(room),
        *others,
        *_of_engine(engine),
    ]
    return sorted(found, key=lambda alarm: ("critical", "warning", "info").index(alarm.severity))


def _of_workers(enforced: Enforced | None, workers: Workers) -> Iterator[Alarm]:
    if enforced is None:
        yield Alarm(
            "BlockdNotReady", "critical", "", "No list is enforced yet.", "nothing",
            "See the status of the feeds: at least one of them must provide a list.",
        )  # fmt: skip
    elif behind := workers.behind(enforced.version):
        yield Alarm(
            "BlockdNotReady", "critical", "", f"Workers {behind} do not enforce version {enforced.version}.",
            f"version {enforced.version} by the other workers", "The log says why they do not start.",
        )  # fmt: skip


def _of_page(trouble: str) -> Iterator[Alarm]:
    if trouble:
        yield Alarm(
            "BlockdPageFailed", "warning", "", f"{trouble[0].upper()}{trouble[1:]}.",
            "all of it in DNS: only what visitors are told of it is missing, or of another version",
            "The log says why; `kill PID` of the page process has it started anew.",
        )  # fmt: skip


def _of_decide(trouble: str) -> Iterator[Alarm]:
    if trouble:
        yield Alarm(
            "BlockdDecideFailed", "critical", "", f"{trouble[0].upper()}{trouble[1:]}.",
            "all of it in DNS: HTTP proxies get no decisions, or those of another version",
            "The log says why; `kill PID` of the decide process has it started anew.",
        )  # fmt: skip


def _of_clock(watch: ClockWatch | None) -> Iterator[Alarm]:
    if watch is not None and (seconds := watch.behind()):
        yield Alarm(
            "BlockdClockBehind", "critical", "",
            f"The clock is {span_text(seconds)} behind {time_text(watch.newest)}, the newest time that is known.",
            "all of it, orders with dates by the clock",
            "Set the clock, and see why it ran back. If it was ahead before, restart blockd once it is right.",
        )  # fmt: skip


def _of_pin(pin: Pin | None, enforced: Enforced | None, base: int | None) -> Iterator[Alarm]:
    if pin is not None:
        version = f"version {enforced.version}" if enforced is not None else "nothing"
        on_top = f"{version}, which is version {base} with the overrides of now" if base is not None else version
        is_enforced = enforced is not None and (base or enforced.version) == pin.version
        instead = "" if is_enforced else f" Version {pin.version} is NOT enforced: the log says why."
        yield Alarm(
            "BlockdPinned", "info", "",
            f"An operator went back to version {pin.version}; new content other than overrides waits.{instead}", on_top,
            "`blockd rollback --release` once the lists are correct again.",
        )  # fmt: skip


def _of_counters(counts: OrderCounts) -> Iterator[Alarm]:
    if uncounted := counts.without_slot:
        yield Alarm(
            "BlockdOrdersCountedTogether", "info", "",
            f"{uncounted} orders have no hit counter of their own, since all are taken; order `other` has their hits.",
            "all of it", "Hits in total are right. Slots come back as old versions are removed (versions.keep).",
        )  # fmt: skip


def _of_contradictions(count: int) -> Iterator[Alarm]:
    if count:
        yield Alarm(
            "BlockdOrdersContradict", "info", "",
            f"{count} contradictions between orders: one would open what another authority blocks, or does.",
            "the stronger one of each two, or the one that may lift the other",
            "`blockd status` lists them. An authority opens another's orders only if the delegation says may lift.",
        )  # fmt: skip


def _of_room(counts: OrderCounts) -> Iterator[Alarm]:
    if without := counts.without_room.total():
        yield Alarm(
            "BlockdOrdersWithoutRoom", "warning", "",
            f"{without} orders are refused on some of their names, which their authority lists too often.",
            f"{MAX_CLAIMS_OF_ONE} orders of each authority on one name, those that begin first and have not ended",
            "`blockd status` says whose they are. Inform the authority: it should end orders that repeat others.",
        )  # fmt: skip


def _of_audit(trouble: str) -> Iterator[Alarm]:
    if trouble:
        yield Alarm(
            "BlockdAuditFailed", "critical", "", trouble, "all of it: enforcement does not depend on the audit log",
            "Check the state folder's free space and permissions; keep a log that was set aside, and check it with "
            "`blockd audit verify FILE`.",
        )  # fmt: skip


def _of_releases(trouble: str) -> Iterator[Alarm]:
    if trouble:
        yield Alarm(
            "BlockdReleasesFailed", "warning", "", trouble,
            "the lists, without the entries that were let through: they are held back",
            "Then restart blockd. `blockd held` shows what is held back.",
        )  # fmt: skip


def _of_history(trouble: str) -> Iterator[Alarm]:
    if trouble:
        yield Alarm(
            "BlockdHistoryFailed", "warning", "", trouble, "all of it: enforcement does not depend on the history",
            "Check the state folder's free space and permissions. Rates wait in memory for a day.",
        )  # fmt: skip


def _of_compile(maker: RulesetMaker | None) -> Iterator[Alarm]:
    if maker is not None and maker.seconds > SLOW:
        feed = maker.reading
        reads = f", and reads the new content of feed {feed}" if feed else ""
        yield Alarm(
            "BlockdCompileSlow", "warning", feed, f"Compiling has taken {maker.seconds:,.0f} seconds so far{reads}.",
            "all of it; overrides, signed orders and small changes of lists are enforced meanwhile",
            "Wait: a feed that takes more than its limits is refused alone. If the list is sound and its size is "
            "meant, see the manual on sizing.",
        )  # fmt: skip


def _of_disk(room: DiskRoom | None) -> Iterator[Alarm]:
    level = room.level if room is not None else Level.AMPLE
    if room is None or level is Level.AMPLE:
        return
    left = room.what_is_left()
    left = left[0].upper() + left[1:]
    if level is Level.LOW:
        yield Alarm(
            "BlockdDiskLow", "warning", "",
            f"{left}: old versions are given up, and refused contents and the history of figures are not kept.",
            "all of it", "Free some space, or lower versions.max_size.",
        )  # fmt: skip
    else:
        yield Alarm(
            "BlockdDiskShort", "critical", "",
            f"{left}: the audit log waits in memory, and old versions are given up.",
            room.in_force(),
            "Free some space, or remove files, at once: what waits in memory is lost if blockd ends, or takes a "
            "config or a version.",
        )  # fmt: skip


def _of_self_test(tests: SelfTests) -> Iterator[Alarm]:
    if tests.last is not None and tests.last.outcome.failure:
        yield Alarm(
            "BlockdSelfTestFailed", "critical", "",
            f"The self-test of version {tests.last.version} failed: {tests.last.outcome.failure}.",
            "the version before, if there was one",
            "Please report it with the log. A restart starts new workers.",
        )  # fmt: skip


def _of_feed(name: str, managed: ManagedFeed, enforced: Enforced | None, started: float, now: float) -> Iterator[Alarm]:
    before = managed.in_force(enforced.ruleset.catalogue if enforced else None)
    expires = end_of(managed.source.feed, managed.state)
    has_ended = expires is not None and expires <= now
    stays = _after_end(managed, before) if has_ended else before
    if managed.refusal:
        yield Alarm(
            "BlockdFeedRefused", "warning", name, f"Its new content is refused: {managed.refusal}", stays,
            f"`blockd accept {name} --show` shows what it would change; if that is right, `blockd accept` takes it."
            if managed.state.refused and not managed.look_refusal
            else "`blockd check` shows what is wrong; inform the publisher of the list.",
        )  # fmt: skip
    if not managed.source.feed.is_own and is_stale(managed.state.checked, managed.source.interval, started, now):
        yield Alarm(
            "BlockdFeedStale", "warning", name, "It has not been fetched successfully for a long time.", stays,
            "Check that its source can be reached from here, and ask its operator.",
        )  # fmt: skip
    if has_ended:
        is_signed = managed.source.feed.is_signed
        yield Alarm(
            "BlockdFeedExpired", "critical", name,
            "It has expired: it was not signed again in time." if is_signed
            else "It is at its end: its source did not confirm it in time.",
            stays,
            "Inform its publisher; nothing new of it is accepted until it is signed again." if is_signed
            else "Check that its source can be reached from here, and inform its publisher. "
            "The next good poll renews it.",
        )  # fmt: skip
    elif managed.source.feed.is_signed and expires is not None and expires < now + EXPIRES_SOON:
        yield Alarm(
            "BlockdFeedExpiresSoon", "warning", name, "Its signatures expire within a day.", "all of it",
            "Ask the authority to sign and publish.",
        )  # fmt: skip
    yield from _of_authorities(name, managed, before, now)


def _of_authorities(name: str, managed: ManagedFeed, before: str, now: float) -> Iterator[Alarm]:
    state = managed.state
    for role, sentence in managed.authority_refusals.items():
        yield Alarm(
            "BlockdAuthorityRefused", "warning", name, f"The new content of authority {role} is refused: {sentence}",
            before, "`blockd status` shows why; inform the authority. All others go on.", role,
        )  # fmt: skip
    for one in managed.refused_orders:
        yield Alarm(
            "BlockdOrderRefused", "warning", name, f"The newest version of {one.called} is refused: {one.refusal}",
            "its earlier version, and all else" if one.stays else "all else, without it",
            "Inform who signs it; `blockd authority verify` shows the same. All other orders go on.", one.role,
        )  # fmt: skip
    for role, end in ends_of_roles(state).items():
        if end <= now:
            yield Alarm(
                "BlockdAuthorityExpired", "critical", name, f"The part of authority {role} was not signed in time.",
                _after_end(managed, before, role), "Ask the authority to sign and publish. All others go on.", role,
            )  # fmt: skip
        elif end < now + EXPIRES_SOON:
            yield Alarm(
                "BlockdAuthorityExpiresSoon", "warning", name,
                f"The signatures of authority {role} expire within a day.", "all of it",
                "Ask the authority to sign and publish.", role,
            )  # fmt: skip


def _after_end(managed: ManagedFeed, before: str, role: str = "") -> str:
    """Say what is enforced of an expired part, of which `before` was."""
    if before == NOTHING:
        return before
    is_stopped = managed.source.feed.at_expiry_of(role) == "stop"
    return "nothing of it until it is renewed (at_expiry)" if is_stopped else f"{before}, marked as stale"


def is_stale(checked: float, interval: float, started: float, now: float) -> bool:
    """Return whether the last successful poll of a feed, at `checked` (0 for never), is too long ago."""
    if not checked:
        return now - started > FIRST_LOOK
    return now - checked > max(STALE, 2 * interval)


def _of_ruleset(enforced: Enforced | None, now: float) -> Iterator[Alarm]:
    if enforced is not None and now - enforced.ruleset.header.created > UNCHANGED:
        yield Alarm(
            "BlockdRulesetUnchanged", "info", "", "The ruleset has not changed for a week.", "all of it",
            "Nothing if your lists seldom change; otherwise check that their sources are the right ones.",
        )  # fmt: skip


def _of_engine(engine: str) -> Iterator[Alarm]:
    if engine != "native":
        yield Alarm(
            "BlockdPythonEngine", "info", "", "The Python engine runs: an eighth of the native one's speed.",
            "all of it", "Install a C compiler and Python's headers, and install blockd again.",
        )  # fmt: skip
