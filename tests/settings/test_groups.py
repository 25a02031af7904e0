"""Client groups in the config: what is taken, and each mistake in a sentence."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.settings import load
from blockd.settings.feeds import OVERRIDES
from blockd.settings.groups import EVERYBODY, MAX_GROUP_NETWORKS, MAX_GROUPS, NO_GROUPS, ClientGroups, summaries

FEEDS = """
feeds:
  - {name: ministry, type: signed, url: "file:/srv/ministry", root: /srv/root.json}
  - {name: national, type: domains, path: /srv/national}
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "blockd.yaml"
        path.write_text(text + FEEDS, encoding="utf-8")
        return path

    return written


def problems(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


def number_of(groups: ClientGroups, host: str) -> int:
    return groups.number_of(ipaddress.ip_address(host).packed)


def test_the_longest_network_decides_and_an_exempt_group_has_no_feeds(write: Write) -> None:
    settings = load(
        write(
            """
groups:
  - {name: schools, networks: [10.20.0.0/16, "fd00:20::/32"], feeds: [ministry, national]}
  - {name: probe, networks: [10.20.30.40], feeds: []}
"""
        )
    )
    groups = ClientGroups(settings.groups)
    hosts = ("10.20.0.1", "fd00:20::1", "10.20.30.40", "10.20.30.41", "10.21.0.0", "127.0.0.1")
    assert [number_of(groups, host) for host in hosts] == [1, 1, 2, 1, EVERYBODY, EVERYBODY]
    assert [group.is_exempt for group in groups] == [False, True]
    assert groups.lacking(["ministry", "national", OVERRIDES, "gone"]) == bytes((0, 0, 0, 1, 1, 1, 1, 1))
    assert [one.to_json() for one in summaries(groups, [feed.name for feed in settings.feeds])] == [
        {"name": "schools", "networks": 2, "feeds": ["ministry", "national"], "lacks": []},
        {"name": "probe", "networks": 1, "feeds": [], "lacks": ["ministry", "national"]},
    ]


def test_without_groups_everybody_is_in_none(write: Write) -> None:
    assert load(write("")).groups == ()
    assert number_of(NO_GROUPS, "127.0.0.1") == EVERYBODY
    assert NO_GROUPS.number_of(b"") == EVERYBODY
    assert NO_GROUPS.lacking(["ministry"]) == b""


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ("{name: a, networks: [127.0.0.0/8]}", "groups[0].feeds: is missing"),
        ("{name: a, networks: [], feeds: []}", "groups[0].networks"),
        ("{name: A b, networks: [127.0.0.0/8], feeds: []}", "groups[0].name"),
        ("{name: a, networks: [127.0.0.1/8], feeds: []}", "groups[0].networks[0]"),
        (
            "{name: a, networks: [127.0.0.0/8], feeds: [nation]}",
            "groups[0].feeds[0]: expected the name of one of `feeds`, got 'nation'",
        ),
        (
            "{name: a, networks: [127.0.0.0/8], feeds: [national, national]}",
            "groups[0].feeds[1]: 'national' is already groups[0].feeds[0]",
        ),
        (
            "{name: a, networks: [8.8.8.0/24], feeds: []}",
            "groups[0].networks[0]: 8.8.8.0/24 is not within clients.allow, so that its clients are refused",
        ),
        ("{name: a, networks: [0.0.0.0/0], feeds: []}", "0.0.0.0/0 is not within clients.allow"),
        (
            "{name: a, networks: [127.0.0.0/8, 127.0.0.0/8], feeds: []}",
            "groups[0].networks[1]: 127.0.0.0/8 is already groups[0].networks[0]",
        ),
        (
            "{name: a, networks: [127.0.0.0/8], feeds: []}, {name: a, networks: [127.0.0.0/8], feeds: []}",
            "groups[1].networks[0]: 127.0.0.0/8 is already groups[0].networks[0]; each network is in one group",
        ),
        (
            "{name: a, networks: [127.0.0.0/9], feeds: []}, {name: a, networks: [127.0.0.0/8], feeds: []}",
            "groups[1].name: 'a' is already the name of groups[0]; use each name once",
        ),
    ],
)
def test_each_mistake_is_a_sentence(write: Write, group: str, sentence: str) -> None:
    assert sentence in problems(write(f"groups: [{group}]"))


def test_a_group_may_be_subject_to_overrides_alone(write: Write) -> None:
    settings = load(write(f"groups: [{{name: a, networks: [127.0.0.0/8], feeds: [{OVERRIDES}]}}]"))
    assert settings.groups[0].lacks(["ministry", OVERRIDES]) == [True, False]


def test_a_network_may_span_several_that_are_allowed(write: Write) -> None:
    allowed = "clients: {allow: [10.0.0.0/9, 10.128.0.0/9]}\n"
    assert len(load(write(allowed + "groups: [{name: a, networks: [10.0.0.0/8], feeds: []}]")).groups) == 1


def test_groups_and_their_networks_are_bounded(write: Write) -> None:
    many = ", ".join(f"{{name: g{place}, networks: [10.0.0.{place}], feeds: []}}" for place in range(MAX_GROUPS + 1))
    assert "groups: " in problems(write(f"groups: [{many}]"))
    halves = [
        ", ".join(
            str(ipaddress.ip_address((10 << 24) + place * 2 + half)) for place in range(MAX_GROUP_NETWORKS // 2 + 1)
        )
        for half in (0, 1)
    ]
    found = ", ".join(f"{{name: g{place}, networks: [{half}], feeds: []}}" for place, half in enumerate(halves))
    assert f"at most {MAX_GROUP_NETWORKS:,} networks in all groups together" in problems(write(f"groups: [{found}]"))
