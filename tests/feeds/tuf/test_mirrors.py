from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.signed import mirrors, side_by_side
from blockd.feeds.signed.fetchers import FILE_SECONDS
from blockd.feeds.signed.mirrors import FIRST_PAUSE, OTHERS_SECONDS, Mirrors
from blockd.feeds.signed.repository import SignedRepository
from tests.feeds.tuf.attacks import WHOLE
from tests.feeds.tuf.attacks_on_one import ONE
from tests.feeds.tuf.repository import DAY, Repository
from tests.feeds.tuf.serving import Served, looking, serving
from tests.feeds.tuf.test_attacks import GOOD, names

LIES = {**WHOLE, **ONE}
del LIES["frozen_for_a_month"]  # a clock that both share; a frozen mirror has its own test


class Pair:
    """A mirror that lies, the first, and an honest one; `clock` is that of the pauses."""

    def __init__(self, liar: Served, honest: Served, node: SignedRepository) -> None:
        self.liar, self.honest = liar, honest
        self.clock = 0.0
        self.mirrors = Mirrors("orders", node, (liar.url, honest.url), lambda: self.clock)

    def publish(self, name: str) -> None:
        """Publish news on the honest mirror, in versions later than any of the liar's."""
        repository = self.honest.repository
        repository.order("court", name.partition(".")[0], [name])
        for _ in range(4):
            repository.publish("targets", "ministry", "court")

    def told(self) -> dict[str, object]:
        """Return the reason for which each mirror is refused."""
        reasons = {mirror["url"]: mirror["reason"] for mirror in self.mirrors.to_json()}
        return {"liar": reasons[self.liar.url], "honest": reasons[self.honest.url]}

    @property
    def leads(self) -> object:
        return next(mirror["url"] for mirror in self.mirrors.to_json() if mirror["leads"])


PATIENT = 600.0  # seconds of a look for which one mirror is waited for: however long this machine pauses, none is late


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    usual = side_by_side.PATIENCE
    monkeypatch.setattr(side_by_side, "PATIENCE", PATIENT)
    repository = Repository()
    repository.publish("targets", "ministry", "court")
    repository.publish("targets", "ministry", "court")
    with (
        serving(repository.fork()) as liar,
        serving(repository) as honest,
        looking(repository, tmp_path, liar, honest) as node,
    ):
        found = Pair(liar, honest, node)
        assert names(found.mirrors.fetch()) == GOOD
        assert found.leads == liar.url
        found.clock += OTHERS_SECONDS
        monkeypatch.setattr(side_by_side, "PATIENCE", usual)
        yield found


@pytest.mark.parametrize("lie", LIES)
def test_honest_mirror_is_taken_whatever_the_first_one_lies(
    pair: Pair, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount, reason = LIES[lie]
    if "endless" not in lie:
        monkeypatch.setattr(side_by_side, "PATIENCE", PATIENT)
    mount(pair.liar.repository)
    pair.publish("news.example")
    assert names(pair.mirrors.fetch()) == GOOD | {"news.example"}
    told = pair.told()
    assert told["honest"] == ""
    assert told["liar"] in (
        {reason, "stalled"} if "endless" in lie else {reason}
    )  # this machine may be slow to read on
    assert pair.leads == pair.honest.url
    asked = len(pair.liar.requests)
    pair.publish("more.example")
    assert "more.example" in names(pair.mirrors.fetch())
    assert len(pair.liar.requests) == asked


def test_slow_mirror_costs_its_time_once_and_delays_no_news(pair: Pair) -> None:
    pair.liar.slow.add("metadata/timestamp.json")
    pair.publish("news.example")
    assert "news.example" in names(pair.mirrors.fetch())
    assert pair.told() == {"liar": "stalled", "honest": ""}
    asked = len(pair.liar.requests)
    pair.publish("more.example")
    assert "more.example" in names(pair.mirrors.fetch())
    assert len(pair.liar.requests) == asked, "there are news without it"
    pair.mirrors.fetch()
    assert len(pair.liar.requests) > asked, "no other can tell whether the one that leads has been frozen"


def test_news_of_a_mirror_that_has_recovered_do_not_wait_for_its_pause_if_the_leader_is_frozen(pair: Pair) -> None:
    good, pair.liar.repository.files = pair.liar.repository.files, {}
    pair.mirrors.fetch()
    assert pair.told() == {"liar": "missing", "honest": ""}
    assert pair.leads == pair.honest.url
    pair.liar.repository.files = good
    pair.liar.repository.order("court", "later", ["later.example"])
    for _ in range(6):
        pair.liar.repository.publish("targets", "ministry", "court")
    assert "later.example" in names(pair.mirrors.fetch())


def test_frozen_mirror_is_noticed_when_another_has_newer_metadata(pair: Pair) -> None:
    pair.publish("news.example")
    assert "news.example" in names(pair.mirrors.fetch())
    assert pair.leads == pair.honest.url
    pair.clock += OTHERS_SECONDS
    pair.mirrors.fetch()
    assert pair.told() == {"liar": "rollback", "honest": ""}


def test_mirror_frozen_until_it_expired_is_told_so(pair: Pair) -> None:
    repository = pair.honest.repository
    for signed in repository.signed.values():
        signed.expires += 30 * DAY
    repository.publish()
    repository.now += 31 * DAY
    assert names(pair.mirrors.fetch()) == GOOD
    assert pair.told() == {"liar": "expired", "honest": ""}


def test_mirror_is_told_once_and_told_good_again(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    good, pair.liar.repository.files = pair.liar.repository.files, {}
    with caplog.at_level(logging.INFO, "blockd.feeds.signed.mirrors"):
        for _ in range(4):
            pair.mirrors.fetch()
            pair.clock += 1000 * FIRST_PAUSE
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "refused (missing)" in caplog.text
    pair.liar.repository.files = good
    with caplog.at_level(logging.INFO, "blockd.feeds.signed.mirrors"):
        pair.clock += 1000 * FIRST_PAUSE
        pair.mirrors.fetch()
    assert "is good again" in caplog.text
    assert pair.told() == {"liar": "", "honest": ""}


def test_mirror_that_varies_what_it_does_wrong_fills_no_log(
    pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 5  # instead of MAX_LOGGED
    monkeypatch.setattr(mirrors, "MAX_LOGGED", most)
    good = pair.liar.repository.files
    with caplog.at_level(logging.INFO, "blockd.feeds.signed.mirrors"):
        for number in range(2 * most + 4):
            wrong = {} if number % 2 else {**good, "metadata/timestamp.json": b"<html>"}
            pair.liar.repository.files = wrong
            pair.clock += 5.0
            for mirror in pair.mirrors._line:
                mirror.due = 0.0
            pair.mirrors.fetch()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == most


def test_feed_is_refused_only_where_all_mirrors_are(pair: Pair) -> None:
    pair.liar.repository.files = {}
    pair.honest.repository.files = {}
    with pytest.raises(FeedRefused, match="All 2 mirrors are refused") as caught:
        pair.mirrors.fetch()
    assert caught.value.reason == "missing"
    assert pair.told() == {"liar": "missing", "honest": "missing"}


def test_mirror_in_its_pause_is_asked_where_the_others_fail(pair: Pair) -> None:
    good, pair.liar.repository.files = pair.liar.repository.files, {}
    pair.mirrors.fetch()
    assert pair.told() == {"liar": "missing", "honest": ""}
    pair.liar.repository.files, pair.honest.repository.files = good, {}
    assert names(pair.mirrors.fetch()) == GOOD
    assert pair.leads == pair.liar.url


def test_only_few_dead_mirrors_are_tried_at_a_look_once_all_are_known_to_be_dead(tmp_path: Path) -> None:
    repository = Repository()
    with serving(repository) as server, looking(repository, tmp_path) as node:
        repository.files = {}
        line = Mirrors("orders", node, [f"{server.url}/{number}" for number in range(5)], lambda: 0.0)
        for expected in (5, 3, 3):  # the one that leads, another one, and the one beside it
            server.requests.clear()
            with pytest.raises(FeedRefused):
                line.fetch()
            assert len({path.partition("/")[0] for path in server.requests}) == expected


def test_mirror_that_is_late_delays_news_by_a_second_only_and_the_other_one_leads(pair: Pair) -> None:
    pair.liar.is_late = True
    pair.publish("news.example")
    assert "news.example" in names(pair.mirrors.fetch()), "the late one has not answered yet"
    assert pair.told() == {"liar": "stalled", "honest": ""}
    assert pair.leads == pair.honest.url
    asked = len(pair.liar.requests)
    pair.publish("more.example")
    assert "more.example" in names(pair.mirrors.fetch())
    assert len(pair.liar.requests) == asked


def test_mirror_that_is_not_waited_for_is_hung_up_on(pair: Pair) -> None:
    pair.liar.is_late = True
    pair.publish("news.example")
    assert "news.example" in names(pair.mirrors.fetch())
    for thread in threading.enumerate():
        if thread.name == f"mirror {pair.liar.url}":
            thread.join(FILE_SECONDS / 2)
            assert not thread.is_alive(), "it still waits for the answer"
    assert not pair.liar.released.is_set()


def test_order_that_the_faster_mirror_withholds_is_taken_from_the_slower_one(pair: Pair) -> None:
    """The first is late once, so that the other leads; that one has all but an order, which it has a wrong file of."""
    pair.honest.repository.order("court", "news", ["news.example"])
    pair.honest.repository.publish("court")
    pair.liar.repository.files = dict(pair.honest.repository.files)
    file = pair.honest.repository.order_file("court", "news")
    pair.honest.repository.files[file] = b"{}"
    pair.liar.late_once.add("metadata/timestamp.json")
    assert names(pair.mirrors.fetch()) == GOOD | {"news.example"}


def test_mirror_that_is_late_and_has_no_news_is_no_reason_to_wait(pair: Pair) -> None:
    pair.honest.is_late = True
    pair.liar.repository.order("court", "news", ["news.example"])
    pair.liar.repository.publish("targets", "ministry", "court")
    assert "news.example" in names(pair.mirrors.fetch())
    assert names(pair.mirrors.fetch()) >= GOOD, "it is asked for what the first may withhold, and soon given up"
    assert pair.leads == pair.liar.url


def test_a_lie_of_the_mirror_asked_beside_is_not_told_of_the_first(pair: Pair) -> None:
    pair.publish("news.example")
    pair.liar.repository.files["metadata/timestamp.json"] = b"<html>"
    pair.mirrors.fetch()
    assert pair.leads == pair.honest.url
    pair.clock += FIRST_PAUSE
    pair.honest.slow.add("metadata/timestamp.json")
    with pytest.raises(FeedRefused):
        pair.mirrors.fetch()
    assert pair.told() == {"liar": "html", "honest": "stalled"}


def test_a_mirror_that_withholds_news_is_found_out_at_the_next_look(pair: Pair) -> None:
    """It answers at once, with what was true before: only another mirror can tell."""
    assert names(pair.mirrors.fetch()) == GOOD
    pair.publish("news.example")
    pair.clock += OTHERS_SECONDS
    assert "news.example" in names(pair.mirrors.fetch())
