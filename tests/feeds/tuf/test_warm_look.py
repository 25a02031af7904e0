from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.http.access import Access
from blockd.feeds.signed.connections import HttpConnections
from tests.feeds.tuf.repository import Repository
from tests.feeds.tuf.serving import looking, serving

WARM = ["metadata/2.root.json", "metadata/timestamp.json"]


def test_warm_look_is_two_requests_over_the_connection_of_the_first(tmp_path: Path) -> None:
    repository = Repository()
    with serving(repository) as server, looking(repository, tmp_path, server) as node:
        first = node.fetch()
        assert server.connections == 1
        for _ in range(3):
            server.requests.clear()
            assert node.fetch() == first
            assert server.requests == WARM
        assert server.connections == 1


def test_connection_that_the_server_has_closed_is_opened_anew(tmp_path: Path) -> None:
    repository = Repository()
    with serving(repository) as server, looking(repository, tmp_path, server) as node:
        server.hangs_up = True
        first = node.fetch()
        server.requests.clear()
        connections = server.connections
        assert node.fetch() == first
        assert server.requests == WARM
        assert server.connections > connections


def test_kept_connection_to_a_server_that_was_started_again_does_no_harm(tmp_path: Path) -> None:
    repository = Repository()
    with looking(repository, tmp_path) as node:
        for _ in range(2):
            with serving(repository) as server:
                assert len(node.fetch(server.url).documents) == 3
        with pytest.raises(FeedRefused) as caught:
            node.fetch(server.url)
        assert caught.value.reason == "unreachable"


def test_news_over_a_kept_connection_are_seen(tmp_path: Path) -> None:
    repository = Repository()
    with serving(repository) as server, looking(repository, tmp_path, server) as node:
        node.fetch()
        repository.order("court", "court-2", ["news.example"])
        repository.publish("court")
        assert len(node.fetch().documents) == 4
        assert server.connections == 1


def test_slow_answer_over_a_kept_connection_is_cut_in_time(tmp_path: Path) -> None:
    repository = Repository()
    with serving(repository) as server, looking(repository, tmp_path, server) as node:
        node.fetch()
        server.slow.add("metadata/timestamp.json")
        with pytest.raises(FeedRefused) as caught:
            node.fetch()
        assert caught.value.reason == "stalled"
        server.slow.clear()
        assert len(node.fetch().documents) == 3


def test_answer_whose_end_is_not_waited_for_gives_its_socket_back() -> None:
    repository = Repository()
    path = "metadata/timestamp.json"
    with serving(repository) as server, contextlib.closing(HttpConnections(Access.to(server.url))) as connections:
        server.slow.add(path)
        origin = ("http", "127.0.0.1", server.server_port)
        with connections.asked(origin, f"/{path}", {}, 10.0) as (response, _):
            assert response.read(1) == b" "
        assert response.isclosed()


def test_server_that_is_slow_with_every_authority_is_not_waited_for_each_time(tmp_path: Path) -> None:
    repository = Repository()
    for number in range(6):
        repository.delegate(f"role-{number}", "Somebody")
    repository.publish()
    slow = {path for path in repository.files if "role-" in path}
    with serving(repository) as server, looking(repository, tmp_path, server) as node:
        server.slow = slow
        version = node.fetch()
        assert len(version.documents) == 3
        assert [authority.reason for authority in version.authorities] == ["", ""] + 6 * ["stalled"]
        assert len(slow & set(server.requests)) < 4
        server.slow = set()
        assert not any(authority.refusal for authority in node.fetch().authorities)
