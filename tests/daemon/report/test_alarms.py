"""What `blockd status` tells the operator of, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from blockd.daemon.operator.releases import released_keys
from blockd.daemon.pinning import Pin
from blockd.daemon.report.alarms import EXPIRES_SOON, FIRST_LOOK, STALE, UNCHANGED, Alarm, alarms
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.managed_feed import NOTHING, ManagedFeed
from blockd.daemon.update.ruleset_maker import SLOW
from blockd.daemon.workers import Workers
from blockd.feeds.signed.bundle import AuthorityVersion, RefusedOrder
from blockd.ruleset import Enforced
from blockd.selftest import SelfTests
from blockd.selftest.client import ClientOutcome
from blockd.selftest.runner import Result
from blockd.settings import FEED_TYPES, SignedFeed
from tests.ruleset.lists import NOW, enforced, feed, listing, order


@dataclass
class _Source:
    feed: SignedFeed = field(default_factory=SignedFeed.model_construct)
    interval: float = 5.0


@dataclass
class _State:
    checked: float = NOW
    accepted_digest: str = "ab"
    expires: float | None = None
    authorities: tuple[AuthorityVersion, ...] = ()
    refused: None = None


@dataclass
class _Tracked:
    """A feed as far as alarms look at it."""

    source: _Source = field(default_factory=_Source)
    state: _State = field(default_factory=_State)
    refusal: str = ""
    authority_refusals: dict[str, str] = field(default_factory=dict)
    refused_orders: tuple[RefusedOrder, ...] = ()

    def in_force(self, _: object) -> str:
        return "its last accepted content" if self.state.accepted_digest else NOTHING


@dataclass
class _Tests:
    last: Result | None = None


@pytest.fixture
def subject(tmp_path: Path) -> Enforced:
    return enforced(tmp_path, feed("f", listing(order("o"), "a.example")))


def told(subject: Enforced | None, feeds: dict[str, _Tracked] | None = None, **given: Any) -> list[Alarm]:
    return alarms(
        subject,
        cast("dict[str, ManagedFeed]", feeds or {}),
        given.get("workers", Workers(2, {0: 10, 1: 11}, {0: 1, 1: 1})),
        cast("SelfTests", given.get("tests", _Tests())),
        given.get("engine", "native"),
        OrderCounts.of(subject),
        pin=given.get("pin"),
        releases=given.get("releases", ""),
        maker=given.get("maker"),
        room=given.get("room"),
        started=given.get("started", NOW - 60),
        now=given.get("now", NOW),
    )


def names(found: list[Alarm]) -> list[str]:
    return [alarm.name for alarm in found]


def test_where_all_is_well_there_is_none(subject: Enforced) -> None:
    assert told(subject, {"f": _Tracked()}) == []


def test_no_ruleset_and_a_worker_behind_are_not_ready(subject: Enforced) -> None:
    assert names(told(None)) == ["BlockdNotReady"]
    [alarm] = told(subject, workers=Workers(2, {0: 10, 1: 11}, {0: 1, 1: 0}))
    assert (alarm.name, alarm.what) == ("BlockdNotReady", "Workers [1] do not enforce version 1.")


@pytest.mark.parametrize(
    ("interval", "age", "expected"),
    [
        (5.0, STALE, []),
        (5.0, STALE + 1, ["BlockdFeedStale"]),
        (86_400.0, 2 * 86_400.0, []),
        (86_400.0, 2 * 86_400.0 + 1, ["BlockdFeedStale"]),
    ],
)
def test_feed_is_stale_by_its_interval(subject: Enforced, interval: float, age: float, expected: list[str]) -> None:
    tracked = _Tracked(_Source(interval=interval), _State(checked=NOW - age))
    assert names(told(subject, {"f": tracked})) == expected


def test_feed_that_has_never_given_anything_is_given_time(subject: Enforced) -> None:
    tracked = _Tracked(state=_State(checked=0.0, accepted_digest=""))
    assert told(subject, {"f": tracked}, started=NOW - FIRST_LOOK) == []
    [alarm] = told(subject, {"f": tracked}, started=NOW - FIRST_LOOK - 1)
    assert (alarm.name, alarm.feed, alarm.in_force) == ("BlockdFeedStale", "f", "nothing of it")


def test_releases_that_cannot_be_used_are_told(subject: Enforced, tmp_path: Path) -> None:
    (tmp_path / "releases.json").write_text("{", encoding="ascii")
    released, trouble = released_keys(tmp_path)
    assert not released
    [alarm] = told(subject, releases=trouble)
    assert (alarm.name, alarm.severity) == ("BlockdReleasesFailed", "warning")
    assert f"The file of releases {tmp_path / 'releases.json'} cannot be used: " in alarm.what
    (tmp_path / "releases.json").unlink()
    assert released_keys(tmp_path) == (frozenset(), "")


def test_refused_feed_is_told_with_the_reason(subject: Enforced) -> None:
    [alarm] = told(subject, {"f": _Tracked(refusal="It was cut.")})
    assert (alarm.name, alarm.feed, alarm.in_force) == ("BlockdFeedRefused", "f", "its last accepted content")
    assert "It was cut." in alarm.what


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (EXPIRES_SOON, []),
        (EXPIRES_SOON - 1, ["BlockdFeedExpiresSoon"]),
        (1, ["BlockdFeedExpiresSoon"]),
        (0, ["BlockdFeedExpired"]),
        (-100, ["BlockdFeedExpired"]),
    ],
)
def test_end_of_a_signed_feed_is_told_before_and_after(subject: Enforced, left: float, expected: list[str]) -> None:
    assert names(told(subject, {"f": _Tracked(state=_State(expires=NOW + left))})) == expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (EXPIRES_SOON, []),
        (EXPIRES_SOON - 1, ["BlockdAuthorityExpiresSoon"]),
        (0, ["BlockdAuthorityExpired"]),
    ],
)
def test_end_of_an_authoritys_part_is_told_before_and_after(
    subject: Enforced, left: float, expected: list[str]
) -> None:
    parts = (
        AuthorityVersion("telecom", 3, int(NOW + left)),
        AuthorityVersion("courts", 1, int(NOW + 9e6)),
        AuthorityVersion("never", 0, 0, "format", "It is no metadata."),
    )
    found = told(subject, {"f": _Tracked(state=_State(authorities=parts))})
    assert names(found) == expected
    assert [(alarm.feed, alarm.authority) for alarm in found] == [("f", "telecom")] * len(expected)


def test_what_is_in_force_after_the_end_depends_on_what_the_config_says(subject: Enforced) -> None:
    given = {"name": "f", "type": "signed", "url": "file:/srv/lists", "root": "/srv/root.json"}
    stops = SignedFeed.model_validate({**given, "authorities": {"telecom": {"at_expiry": "stop"}}})
    parts = (AuthorityVersion("telecom", 3, int(NOW)), AuthorityVersion("courts", 1, int(NOW)))
    found = told(subject, {"f": _Tracked(_Source(stops), _State(authorities=parts))})
    assert [alarm.in_force for alarm in found] == [
        "nothing of it until it is renewed (at_expiry)",
        "its last accepted content, marked as stale",
    ]


def test_refused_authority_is_told_with_the_reason(subject: Enforced) -> None:
    [alarm] = told(subject, {"f": _Tracked(authority_refusals={"telecom": "Too few keys have signed."})})
    assert (alarm.name, alarm.severity, alarm.authority) == ("BlockdAuthorityRefused", "warning", "telecom")
    assert "Too few keys have signed." in alarm.what


def test_refused_order_is_told_alone_with_what_stays(subject: Enforced) -> None:
    orders = (
        RefusedOrder("telecom", "o-1", "format", "The order o-1 has a wrong date.", stays=True),
        RefusedOrder("", "o-2", "missing", "The order o-2 lacks a file.", stays=False),
    )
    one, two = told(subject, {"f": _Tracked(refused_orders=orders)})
    assert (one.name, one.severity, one.authority) == ("BlockdOrderRefused", "warning", "telecom")
    assert "telecom/o-1" in one.what
    assert "wrong date" in one.what
    assert (one.in_force, two.in_force) == ("its earlier version, and all else", "all else, without it")


def test_failed_self_test_is_told_until_one_goes_well(subject: Enforced) -> None:
    failed = Result(2, NOW, 0.01, ClientOutcome("worker 1 …"))
    [alarm] = told(subject, tests=_Tests(failed))
    assert alarm.name == "BlockdSelfTestFailed"
    assert "version 2 failed: worker 1" in alarm.what
    assert told(subject, tests=_Tests(Result(3, NOW, 0.01, ClientOutcome()))) == []


def test_gravest_come_first_and_what_may_be_meant_so_is_information(subject: Enforced) -> None:
    late = NOW + UNCHANGED + 1
    tracked = _Tracked(state=_State(expires=NOW))
    found = told(subject, {"f": tracked}, engine="python", now=late)
    assert [(alarm.name, alarm.severity) for alarm in found] == [
        ("BlockdFeedExpired", "critical"),
        ("BlockdFeedStale", "warning"),
        ("BlockdRulesetUnchanged", "info"),
        ("BlockdPythonEngine", "info"),
    ]


def test_a_version_that_is_pinned_is_information(subject: Enforced) -> None:
    [alarm] = told(subject, pin=Pin(3))
    assert (alarm.name, alarm.severity) == ("BlockdPinned", "info")
    assert "version 3" in alarm.what
    assert alarm.what.endswith("Version 3 is NOT enforced: the log says why.")
    [alarm] = told(subject, pin=Pin(subject.version))
    assert "NOT" not in alarm.what


@pytest.mark.parametrize(("at_expiry", "stays"), [("stop", "nothing of it until"), ("keep", "marked as stale")])
def test_a_list_at_its_end_is_not_asked_to_be_signed_and_all_its_alarms_agree(
    subject: Enforced, at_expiry: str, stays: str
) -> None:
    given = {"name": "f", "type": "domains", "path": "/srv/list", "max_age": "1h", "at_expiry": at_expiry}
    source = _Source(cast("SignedFeed", FEED_TYPES["domains"].model_validate(given)))
    tracked = _Tracked(source, _State(checked=NOW - STALE - 7200))
    found = told(subject, {"f": tracked})
    assert {*names(found)} == {"BlockdFeedExpired", "BlockdFeedStale"}
    assert all(stays in alarm.in_force for alarm in found)
    assert not any("signed" in f"{alarm.what} {alarm.todo}" for alarm in found)


@dataclass
class _Maker:
    seconds: float
    reading: str


def test_compile_that_takes_over_a_minute_is_told_with_the_feed_that_is_read(subject: Enforced) -> None:
    assert told(subject, maker=_Maker(SLOW, "national")) == []
    [alarm] = told(subject, maker=_Maker(SLOW + 1, "national"))
    assert (alarm.name, alarm.severity, alarm.feed) == ("BlockdCompileSlow", "warning", "national")
    assert alarm.what == "Compiling has taken 61 seconds so far, and reads the new content of feed national."
    [alarm] = told(subject, maker=_Maker(SLOW + 1, ""))
    assert alarm.what == "Compiling has taken 61 seconds so far."


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (1 << 30, []),
        (256 << 20, [("BlockdDiskLow", "warning")]),
        (64 << 20, [("BlockdDiskShort", "critical")]),
        (0, [("BlockdDiskShort", "critical")]),
    ],
)
def test_disk_that_fills_is_told_by_what_is_given_up(
    subject: Enforced, tmp_path: Path, free: int, expected: list[tuple[str, str]]
) -> None:
    found = told(subject, room=DiskRoom(tmp_path, lambda _: (100 << 30, free)))
    assert [(alarm.name, alarm.severity) for alarm in found] == expected


def used(free: int, _: Path) -> tuple[int, int]:
    return 100 << 30, free


def test_disk_alarm_says_whether_new_orders_are_enforced_and_which_means_is_short(
    subject: Enforced, tmp_path: Path
) -> None:
    size = 8 << 20
    for free, says in ((64 << 20, "new ones as well"), (0, "new orders and overrides cannot")):
        room = DiskRoom(tmp_path, partial(used, free), ruleset=lambda: size)
        (alarm,) = told(subject, room=room)
        assert says in alarm.in_force
    (alarm,) = told(subject, room=DiskRoom(tmp_path, lambda _: (100 << 30, 50 << 30), has_files=lambda _: False))
    assert (alarm.name, alarm.what[:8]) == ("BlockdDiskShort", "No more ")
