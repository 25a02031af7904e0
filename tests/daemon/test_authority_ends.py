"""A signed feed of several authorities at a running daemon: one's end and one's fault are its own."""

from __future__ import annotations

import time
from pathlib import Path

from blockd.feeds.signed.bundle import AuthorityVersion
from tests.daemon.bundled import Bundles
from tests.daemon.harness import Daemon, everywhere, until
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
YEAR = 86_400 * 365


def part(role: str, seconds: float = YEAR, *, reason: str = "", refusal: str = "") -> AuthorityVersion:
    return AuthorityVersion(role, 3, int(time.time() + seconds), reason, refusal)


def bundles(folder: Path) -> Bundles:
    made = Bundles(folder / "lists")
    made.order("order-1", "telecom", "telecom.example")
    made.order("order-2", "courts", "courts.example")
    made.order("order-3", "", "own.example")
    return made


def alarms(daemon: Daemon) -> set[tuple[str, str]]:
    return {(alarm["name"], alarm["authority"]) for alarm in daemon.status()["alarms"] if alarm["feed"] == "ministry"}


def blocked(daemon: Daemon) -> set[str]:
    names = ("telecom.example", "courts.example", "own.example")
    return {name for name in names if daemon.ask(name).addresses == SINKHOLE}


def test_each_authority_ends_by_itself_as_the_config_says_over_a_restart_until_it_signs_anew(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    lists = bundles(tmp_path)
    lists.give(part("telecom", 3600), part("courts", 3600))
    feed = lists.feed(authorities={"telecom": {"at_expiry": "stop"}})
    with Daemon(tmp_path / "daemon", feed, upstream=resolver.address, program="tests.daemon.bundled") as daemon:
        everything = {"telecom.example", "courts.example", "own.example"}
        assert blocked(daemon) == everything
        assert daemon.metric("blockd_orders_stale", feed="ministry") == 0
        assert alarms(daemon) == {("BlockdAuthorityExpiresSoon", "telecom"), ("BlockdAuthorityExpiresSoon", "courts")}
        version = daemon.status()["ruleset"]["version"]
        lists.give(part("telecom", 2), part("courts", 2))
        everywhere(lambda: blocked(daemon) == everything - {"telecom.example"}, "the one that stops is out of force")
        until(lambda: daemon.feed("ministry")["stale"] == 1, "the one that goes on is stale")
        assert daemon.metric("blockd_orders_stale", feed="ministry") == 1
        assert daemon.metric("blockd_authority_expires_in_seconds", feed="ministry", authority="telecom") < 0
        assert daemon.metric("blockd_feed_expires_in_seconds", feed="ministry") > 0
        assert alarms(daemon) == {("BlockdAuthorityExpired", "telecom"), ("BlockdAuthorityExpired", "courts")}
        until(lambda: "part of authority telecom in feed ministry expired on" in daemon.log, "it is logged")
        told = {each["role"]: each for each in daemon.feed("ministry")["authorities"]}
        assert [(told[role]["orders"], told[role]["stale"], told[role]["ended"]) for role in ("telecom", "courts")] == [
            (1, 0, True),
            (1, 1, True),
        ]
        shown = daemon.run_verb("status")
        assert shown.returncode == 1
        assert "authority telecom: 1 orders, version 3" in shown.stdout
        assert "    ENDED: its orders are out of force (at_expiry)" in shown.stdout
        assert "  STALE: 1 of its orders in force were not renewed in time" in shown.stdout

        daemon.stop()
        (lists.folder / "bundle").unlink()  # so that what it starts with is what it remembers
        daemon.launch()
        assert daemon.first_answer("telecom.example").addresses != SINKHOLE
        assert daemon.ask("courts.example").addresses == SINKHOLE
        daemon.wait_for_banner()
        assert daemon.feed("ministry")["stale"] == 1
        assert blocked(daemon) == everything - {"telecom.example"}

        lists.give(part("telecom"), part("courts"))
        everywhere(lambda: blocked(daemon) == everything, "it is in force again")
        until(lambda: daemon.metric("blockd_orders_stale", feed="ministry") == 0, "nothing is stale")
        assert daemon.status()["ruleset"]["version"] == version
        assert alarms(daemon) == set()


def test_where_the_whole_feed_has_ended_each_authority_has_its_own_word(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    lists = bundles(tmp_path)
    lists.give(part("telecom"), part("courts"))
    feed = lists.feed(at_expiry="stop", authorities={"courts": {"at_expiry": "keep"}})
    with Daemon(tmp_path / "daemon", feed, upstream=resolver.address, program="tests.daemon.bundled") as daemon:
        assert len(blocked(daemon)) == 3
        lists.give(part("telecom"), part("courts"), expires=6)
        daemon.refresh()
        everywhere(lambda: blocked(daemon) == {"courts.example"}, "the others are out of force")
        until(lambda: daemon.metric("blockd_orders_stale", feed="ministry") == 1, "what goes on is stale")
        assert ("BlockdFeedExpired", "") in alarms(daemon)
        lists.give(part("telecom"), part("courts"))
        everywhere(lambda: len(blocked(daemon)) == 3, "all are in force again")
        assert daemon.metric("blockd_orders_stale", feed="ministry") == 0


def test_what_one_authority_gives_is_refused_once_and_the_feed_goes_on(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    lists = bundles(tmp_path)
    lists.give(part("telecom"), part("courts"))
    feed = lists.feed()
    with Daemon(tmp_path / "daemon", feed, upstream=resolver.address, program="tests.daemon.bundled") as daemon:
        assert daemon.metric("blockd_authority_refused", feed="ministry", authority="telecom") == 0
        wrong = part("telecom", reason="signature", refusal="Too few keys of telecom have signed.")
        lists.order("order-4", "courts", "new.example")
        lists.give(wrong, part("courts"))
        everywhere(lambda: daemon.ask("new.example").addresses == SINKHOLE, "the others' news are enforced")
        assert len(blocked(daemon)) == 3
        assert alarms(daemon) == {("BlockdAuthorityRefused", "telecom")}
        looks = len(lists.looks())
        until(lambda: len(lists.looks()) > looks + 3, "it is looked at again")
        assert daemon.metric("blockd_feed_refused_total", feed="ministry", reason="signature") == 1
        assert daemon.metric("blockd_authority_refused", feed="ministry", authority="telecom") == 1
        assert daemon.log.count("The new content of authority telecom of feed ministry is refused (signature)") == 1
        assert daemon.feed("ministry")["refusal"] is None
        assert "    REFUSED: Too few keys of telecom have signed." in daemon.run_verb("status").stdout
        lists.give(part("telecom"), part("courts"))
        until(lambda: alarms(daemon) == set(), "it is good again")
        until(lambda: "Authority telecom of feed ministry is accepted again" in daemon.log, "it is logged")
