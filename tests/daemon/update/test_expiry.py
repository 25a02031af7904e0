"""What happens when a feed comes to its end: its orders stay in force, or stop until it is good again."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from blockd.daemon.update.expiry import ExpiredParts, Expiry, ExpiryEffect, end_of, ended, next_end, orders_of
from blockd.daemon.update.feed_state import FeedState
from blockd.feeds.overrides.file import Override
from blockd.feeds.signed.bundle import AuthorityVersion, SignedVersion, write_bundle
from blockd.ruleset import Catalogue
from blockd.ruleset.catalogue import OrderRecord
from blockd.settings import OverridesFeed
from tests.compile.builder import domains, signed
from tests.daemon.harness import Daemon, blockd, everywhere, until, write_list
from tests.daemon.publisher import Publisher
from tests.ruleset.lists import order
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
NOW = 1_800_000_000.0


def known(folder: Path, *, checked: float = 0.0, expires: float | None = None) -> FeedState:
    return FeedState(folder, checked=checked, expires=expires)


def test_overrides_have_no_end_as_a_feed_also_where_only_their_bundle_is_left(tmp_path: Path) -> None:
    made = Override("override-1", "a.example", "both", "court", "", "Operator", int(NOW), int(NOW) + 60)
    write_bundle(SignedVersion(0, 0, 0, (made.document(),), "ab"), tmp_path / "accepted")
    (tmp_path / "feed.json").write_bytes(b"damaged")
    feed, state = OverridesFeed(path=tmp_path / "overrides.json"), FeedState.load(tmp_path)
    assert end_of(feed, state) is None
    assert not ended([(feed, state)], NOW)
    assert next_end([(feed, state)], NOW) is None


def test_a_list_ends_some_time_after_its_last_good_look(tmp_path: Path) -> None:
    feed = domains(max_age="1h", at_expiry="stop")
    state = known(tmp_path, checked=NOW)
    assert end_of(feed, state) == NOW + 3600
    assert not ended([(feed, state)], NOW + 3599)
    assert ended([(feed, state)], NOW + 3600) == {"national": ExpiredParts(ExpiryEffect.STOPPED)}
    assert next_end([(feed, state)], NOW) == NOW + 3600
    assert next_end([(feed, state)], NOW + 3600) is None
    assert end_of(feed, known(tmp_path)) is None
    assert end_of(domains(), state) is None


def test_a_signed_list_ends_when_it_says(tmp_path: Path) -> None:
    feed = signed(at_expiry="stop")
    state = known(tmp_path, checked=1.0, expires=NOW)
    assert not ended([(feed, state)], NOW - 1)
    assert ended([(feed, state)], NOW) == {"ministry": ExpiredParts(ExpiryEffect.STOPPED)}
    assert ended([(signed(), state)], NOW) == {"ministry": ExpiredParts(ExpiryEffect.STALE)}
    assert not ended([(feed, known(tmp_path))], NOW)


def parts(**ends: float) -> tuple[AuthorityVersion, ...]:
    return tuple(AuthorityVersion(role, 1, int(end)) for role, end in ends.items())


def test_an_order_ends_with_its_feed_or_its_authority_whichever_is_first(tmp_path: Path) -> None:
    feed = signed(authorities={"telecom": {"at_expiry": "stop"}})
    state = FeedState(tmp_path, expires=NOW + 10, authorities=parts(telecom=NOW + 5, courts=NOW + 7))
    assert not ended([(feed, state)], NOW + 4)
    one = ended([(feed, state)], NOW + 5)["ministry"]
    assert (one.of("telecom"), one.of("courts"), one.of("")) == (ExpiryEffect.STOPPED, None, None)
    one = ended([(feed, state)], NOW + 7)["ministry"]
    assert (one.of("telecom"), one.of("courts"), one.of("")) == (ExpiryEffect.STOPPED, ExpiryEffect.STALE, None)
    state.authorities = parts(telecom=NOW + 99, courts=NOW + 99)
    assert not ended([(feed, state)], NOW + 9)
    one = ended([(feed, state)], NOW + 10)["ministry"]
    assert (one.of("telecom"), one.of("courts"), one.of("")) == (
        ExpiryEffect.STOPPED,
        ExpiryEffect.STALE,
        ExpiryEffect.STALE,
    )


def test_one_authority_may_go_on_where_its_feed_stops(tmp_path: Path) -> None:
    feed = signed(at_expiry="stop", authorities={"courts": {"at_expiry": "keep"}})
    state = FeedState(tmp_path, expires=NOW, authorities=parts(telecom=NOW + 5, courts=NOW + 5))
    one = ended([(feed, state)], NOW)["ministry"]
    assert (one.of("telecom"), one.of("courts"), one.of("")) == (
        ExpiryEffect.STOPPED,
        ExpiryEffect.STALE,
        ExpiryEffect.STOPPED,
    )


def test_the_next_end_is_the_first_of_all_feeds_and_authorities(tmp_path: Path) -> None:
    state = FeedState(tmp_path, expires=NOW + 10, authorities=parts(telecom=NOW + 5, courts=NOW + 7))
    ends = [next_end([(signed(), state)], NOW + after) for after in (0, 5, 7, 10)]
    assert ends == [NOW + 5, NOW + 7, NOW + 10, None]


def test_an_authority_that_has_given_nothing_has_no_end(tmp_path: Path) -> None:
    never = (AuthorityVersion("telecom", 0, 0, "format", "It is no metadata."),)
    state = FeedState(tmp_path, expires=NOW + 10, authorities=never)
    assert not ended([(signed(), state)], NOW)
    assert next_end([(signed(), state)], NOW) == NOW + 10


def test_orders_that_stop_have_expired_and_those_that_go_on_are_stale() -> None:
    records = tuple(
        OrderRecord(replace(order(f"{feed}-{role or 'own'}"), role=role), feed, 1)
        for feed in ("ministry", "other")
        for role in ("telecom", "courts", "")
    )
    catalogue = Catalogue((), records)
    ends = {"ministry": ExpiredParts(ExpiryEffect.STALE, {"telecom": ExpiryEffect.STOPPED})}
    orders, stale = orders_of(catalogue, 0, ends)
    assert [one.id for one in orders if one.expires == 0] == ["ministry-telecom"]
    assert [orders[index].id for index in stale] == ["ministry-courts", "ministry-own"]


def test_the_end_of_an_authoritys_part_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expiry, feed = Expiry(), signed(authorities={"telecom": {"at_expiry": "stop"}})
    state = FeedState(tmp_path, expires=NOW + 10, authorities=parts(telecom=NOW + 1, courts=NOW + 99))
    with caplog.at_level(logging.ERROR):
        for at in (NOW, NOW + 1, NOW + 2):
            expiry.look([(feed, state)], at)
    [record] = caplog.records
    assert record.getMessage() == (
        "The part of authority telecom in feed ministry expired on 2027-01-15T08:00:01Z: "
        "its orders go out of force until it is renewed (at_expiry)."
    )


def test_an_end_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expiry, feed = Expiry(), signed()
    with caplog.at_level(logging.ERROR):
        for at, end in ((NOW, NOW + 1), (NOW + 1, NOW + 1), (NOW + 2, NOW + 1), (NOW + 2, NOW + 9), (NOW + 9, NOW + 9)):
            expiry.look([(feed, known(tmp_path, expires=end))], at)
    assert [record.getMessage() for record in caplog.records] == [
        "Feed ministry expired on 2027-01-15T08:00:01Z: its orders stay in force (at_expiry).",
        "Feed ministry expired on 2027-01-15T08:00:09Z: its orders stay in force (at_expiry).",
    ]


def test_orders_of_a_signed_list_stop_at_its_end_and_over_a_restart_until_it_is_signed_anew(
    tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator
) -> None:
    write_list(tmp_path / "list", ["other.example"])
    other = {"name": "other", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    feed = publisher.feed(at_expiry="stop")
    with Daemon(tmp_path / "daemon", feed, other, upstream=resolver.address) as daemon:
        assert daemon.ask("listed.example").addresses == SINKHOLE
        publisher.publish(life=timedelta(seconds=6))
        daemon.refresh()
        everywhere(lambda: daemon.ask("listed.example").addresses != SINKHOLE, "its orders are out of force")
        assert daemon.ask("other.example").addresses == SINKHOLE
        until(lambda: "Feed ministry expired on" in daemon.log, "the end is told")
        assert daemon.log.count("go out of force until it is renewed") == 1
        assert daemon.metric("blockd_feed_expires_in_seconds", feed="ministry") < 0
        told = blockd("status", folder=tmp_path, config=daemon.config)
        assert told.returncode == 1
        assert "ENDED: its orders are out of force (at_expiry)" in told.stdout
        write_list(tmp_path / "list", ["other.example", "more.example"])
        everywhere(lambda: daemon.ask("more.example").addresses == SINKHOLE, "another feed's news are enforced")
        assert daemon.ask("listed.example").addresses != SINKHOLE
        daemon.stop()
        daemon.launch()
        assert daemon.first_answer("listed.example").addresses != SINKHOLE
        daemon.wait_for_banner()
        publisher.publish()
        everywhere(lambda: daemon.ask("listed.example").addresses == SINKHOLE, "its orders are in force again")
        assert daemon.feed("ministry")["ended"] is False


def test_by_default_a_feed_goes_on_after_its_end(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    with Daemon(tmp_path / "daemon", {**feed, "max_age": "1s"}, upstream=resolver.address) as daemon:
        (tmp_path / "list").unlink()
        until(lambda: daemon.feed("national")["ended"], "it is at its end")
        until(lambda: "its orders stay in force" in daemon.log, "the end is told")
        assert daemon.ask("listed.example").addresses == SINKHOLE
        until(lambda: daemon.metric("blockd_orders_stale", feed="national") == 1, "its order is stale")
        daemon.stop()
        daemon.start()
        assert daemon.metric("blockd_orders_stale", feed="national") == 1
        write_list(tmp_path / "list", ["listed.example"])
        until(lambda: daemon.metric("blockd_orders_stale", feed="national") == 0, "it was looked at again")
