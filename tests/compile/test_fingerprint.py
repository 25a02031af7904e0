from __future__ import annotations

from pathlib import Path

import pytest

from blockd.compile.build import fingerprint
from blockd.feeds.candidate import Candidate, Content
from blockd.settings import Feed
from tests.compile.builder import Builder, domains, signed


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_a_ruleset_carries_the_fingerprint_of_what_is_in_it(builder: Builder) -> None:
    good, bad = builder.content("a.example"), builder.octets(b"cut")
    feed = domains()
    built = builder.build(Candidate(feed, bad, good))
    assert built.made_from == builder.catalogue().made_from == fingerprint([Candidate(feed, None, good)])
    assert built.made_from != fingerprint([Candidate(feed, bad, good)])


def test_the_fingerprint_changes_with_whatever_changes_a_ruleset(builder: Builder) -> None:
    content, other = builder.content("a.example"), builder.content("b.example")

    def printed(feed: Feed, incoming: Content | None = content) -> str:
        return fingerprint([Candidate(feed, incoming, None)])

    same = printed(domains())
    assert same == printed(domains())
    changes = [
        printed(domains(), other),
        printed(domains(), None),
        printed(domains("other")),
        printed(domains(priority=51)),
        printed(domains(scope="exact")),
        printed(domains(action="nxdomain")),
        printed(domains(action="cname", cname="landing.example")),
        printed(domains(authority="Another")),
        printed(domains(platform="Another")),
        printed(domains(legal_basis="Act 1")),
        printed(domains(mandate="client")),
        printed(domains(contact="objections@example.net")),
        printed(domains(in_force_from="2026-01-01")),
        printed(signed("national")),
        fingerprint([]),
        fingerprint([Candidate(domains(), content, None), Candidate(domains("two"), other, None)]),
    ]
    assert len({same, *changes}) == len(changes) + 1


def test_the_fingerprint_stays_where_only_the_way_to_a_feed_changes(builder: Builder) -> None:
    content = builder.content("a.example")
    feeds = [
        domains(),
        domains(path="/elsewhere/list"),
        domains(interval="5m"),
        domains(max_size="1G"),
        domains(url="https://lists.example.net/list"),
    ]
    assert len({fingerprint([Candidate(feed, content, None)]) for feed in feeds}) == 1
    assert fingerprint([Candidate(feeds[0], None, content)]) == fingerprint([Candidate(feeds[0], content, None)])
