"""News are taken in one poll whatever one of two mirrors does, whether it leads or not.

The faulty one never ends its answer before the test does: what is waited for is the honest one only.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blockd.feeds.signed.mirrors import Mirrors
from tests.feeds.tuf.repository import Repository
from tests.feeds.tuf.serving import Served, looking, serving
from tests.feeds.tuf.test_attacks import GOOD, names

FILES = ("timestamp.json", "snapshot.json", "targets.json", "court.json", "news.json")


def _late(mirror: Served) -> None:
    mirror.is_late = True


def _drips(mirror: Served) -> None:
    mirror.slow.update(mirror.repository.files)


def _wrong(mirror: Served) -> None:
    mirror.repository.files = dict.fromkeys(mirror.repository.files, b'{"signed": {}, "signatures": []}')


def _web_page(mirror: Served) -> None:
    mirror.repository.files = dict.fromkeys(mirror.repository.files, b"<html>")


def _empty(mirror: Served) -> None:
    mirror.repository.files = {}


def _each(name: str, change: Callable[[Served, str], object]) -> Callable[[Served], None]:
    """Return a fault of those files of the mirror whose path ends in `name`."""

    def mount(mirror: Served) -> None:
        found = [path for path in mirror.repository.files if path.endswith(name)]
        assert found
        for path in found:
            change(mirror, path)

    return mount


FAULTS: dict[str, Callable[[Served], None]] = {
    "late": _late,
    "drips": _drips,
    "wrong": _wrong,
    "web page": _web_page,
    "empty": _empty,
    **{f"withholds {name}": _each(name, lambda mirror, path: mirror.repository.files.pop(path)) for name in FILES},
    **{f"drips {name}": _each(name, lambda mirror, path: mirror.slow.add(path)) for name in FILES},
    **{
        f"has a wrong {name}": _each(name, lambda mirror, path: mirror.repository.files.update({path: b"{}"}))
        for name in FILES
    },
}


@contextlib.contextmanager
def two(tmp_path: Path, *, faulty_leads: bool) -> Iterator[tuple[Repository, Served, Mirrors]]:
    """Yield a repository on an honest mirror, a faulty mirror, which is honest as yet, and a node that knows both."""
    repository = Repository()
    repository.publish("targets", "ministry", "court")
    with (
        serving(repository) as honest,
        serving(repository.fork()) as faulty,
        looking(repository, tmp_path, honest) as node,
    ):
        urls = (faulty.url, honest.url) if faulty_leads else (honest.url, faulty.url)
        clock = iter(range(0, 10_000, 10))
        mirrors = Mirrors("orders", node, urls, lambda: float(next(clock)))
        assert names(mirrors.fetch()) == GOOD
        yield repository, faulty, mirrors


@pytest.mark.parametrize("faulty_leads", [True, False], ids=["leads", "does not lead"])
@pytest.mark.parametrize("fault", FAULTS)
def test_news_are_taken_in_one_poll_whatever_one_mirror_does(tmp_path: Path, fault: str, faulty_leads: bool) -> None:
    with two(tmp_path, faulty_leads=faulty_leads) as (repository, faulty, mirrors):
        repository.order("court", "news", ["news.example"])
        repository.publish("targets", "ministry", "court")
        faulty.repository.files = dict(repository.files)
        FAULTS[fault](faulty)
        assert "news.example" in names(mirrors.fetch())
        assert not any("took longer" in str(mirror["refusal"]) for mirror in mirrors.to_json()), "it waited for a limit"
        repository.order("court", "more", ["more.example"])
        repository.publish("targets", "ministry", "court")
        assert "more.example" in names(mirrors.fetch()), "and at the next poll"


@pytest.mark.parametrize("faulty_leads", [True, False], ids=["leads", "does not lead"])
def test_news_are_taken_in_one_poll_though_a_mirror_is_frozen(tmp_path: Path, faulty_leads: bool) -> None:
    with two(tmp_path, faulty_leads=faulty_leads) as (repository, _, mirrors):
        repository.order("court", "news", ["news.example"])
        repository.publish("targets", "ministry", "court")
        assert "news.example" in names(mirrors.fetch())


@pytest.mark.parametrize("swallows", [True, False], ids=["swallows", "refuses"])
@pytest.mark.parametrize("dead_leads", [True, False], ids=["leads", "does not lead"])
def test_news_are_taken_in_one_poll_though_a_mirror_is_dead(tmp_path: Path, dead_leads: bool, swallows: bool) -> None:
    repository = Repository()
    repository.publish("targets", "ministry", "court")
    with (
        socket.socket() as dead,
        serving(repository) as honest,
        looking(repository, tmp_path, honest) as node,
    ):
        dead.bind(("127.0.0.1", 0))
        if swallows:
            dead.listen(0)  # connected by the kernel, but never answered
        gone = f"http://127.0.0.1:{dead.getsockname()[1]}"
        clock = iter(range(0, 10_000, 10))
        urls = (gone, honest.url) if dead_leads else (honest.url, gone)
        mirrors = Mirrors("orders", node, urls, lambda: float(next(clock)))
        assert names(mirrors.fetch()) == GOOD
        repository.order("court", "news", ["news.example"])
        repository.publish("targets", "ministry", "court")
        assert "news.example" in names(mirrors.fetch())
        mirrors.fetch()  # without news it is asked too
        reasons = {mirror["url"]: mirror["reason"] for mirror in mirrors.to_json()}
        assert reasons[honest.url] == ""
        assert reasons[gone] == ("stalled" if swallows else "unreachable")
