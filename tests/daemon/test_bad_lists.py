"""A list that is not the right one never replaces a good one, and the operator is told why, once."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.daemon.harness import Daemon, put, until, write_list
from tests.upstream import UpstreamSimulator

GOOD = ["listed.example", *(f"name-{number}.example" for number in range(99))]
BAD = [
    pytest.param(b"<!DOCTYPE html>\n<html><body>Sign in first</body></html>\n", "html", id="web page"),
    pytest.param(gzip.compress(b"listed.example\n" * 5000)[:-20], "cut", id="cut archive"),
    pytest.param(gzip.compress(b"listed.example\n" * 1_200_000, 1), "too large", id="too large when unpacked"),
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("bad-lists")
    write_list(folder / "list", GOOD)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms", "max_size": "16M"}
    with Daemon(folder, feed, upstream=resolver.address) as running:
        yield running


@pytest.mark.parametrize(("content", "reason"), BAD)
def test_bad_list_is_refused_and_the_good_one_stays(daemon: Daemon, content: bytes, reason: str) -> None:
    _assert_refused(daemon, content, reason)


def test_good_list_that_comes_back_is_taken(daemon: Daemon) -> None:
    _assert_refused(daemon, b"<html>The good list is not here.\n", "html")
    _assert_good_again(daemon)


def test_missing_list_is_refused_and_the_good_one_stays(daemon: Daemon) -> None:
    _assert_refused(daemon, None, "missing")
    _assert_good_again(daemon)


def test_folder_in_place_of_a_list_is_refused(daemon: Daemon) -> None:
    path = daemon.folder / "list"
    path.unlink()
    path.mkdir()
    lines = _lines(daemon, "missing")
    until(lambda: "is not a regular file" in (daemon.feed("national")["refusal"] or ""), "the folder is refused")
    assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
    assert _lines(daemon, "missing") <= lines + 2  # for a moment there was nothing at all
    path.rmdir()
    _assert_good_again(daemon)


def _assert_refused(daemon: Daemon, content: bytes | None, reason: str) -> None:
    """Put bad content in place, or none, and see it refused, whatever was refused before."""
    path = daemon.folder / "list"
    before = daemon.metric("blockd_feed_refused_total", feed="national", reason=reason)
    lines = _lines(daemon, reason)
    version = daemon.status()["ruleset"]["version"]
    if content is None:
        path.unlink()
    else:
        put(path, content)
    assert daemon.refresh()["feeds"]["national"]["outcome"] == "refused"
    assert daemon.refresh()["feeds"]["national"]["outcome"] == "refused"
    assert daemon.metric("blockd_feed_refused_total", feed="national", reason=reason) > before
    assert _lines(daemon, reason) == lines + 1, daemon.log
    assert daemon.status()["ruleset"]["version"] == version
    assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
    assert daemon.ask("name-98.example").addresses == ["127.0.0.1"]
    assert daemon.is_ready()


def _assert_good_again(daemon: Daemon) -> None:
    """The good list is taken, though it is the one that is in force already."""
    told = daemon.log.count("Feed national is accepted again")
    write_list(daemon.folder / "list", GOOD)
    until(lambda: daemon.feed("national")["refusal"] is None, "the good list is taken")
    assert daemon.log.count("Feed national is accepted again") == told + 1
    assert daemon.ask("listed.example").addresses == ["127.0.0.1"]


def _lines(daemon: Daemon, reason: str) -> int:
    return daemon.log.count(f"Feed national is refused ({reason})")
