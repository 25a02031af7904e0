"""What is another in a config is told as it is written there, and concerns the processes that the table says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from blockd.daemon.reload.changes import ConfigChanges
from blockd.daemon.reload.record import MAX_BY, MAX_LETTERS, MAX_OCTETS, ReloadRecord, ReloadRequest, bounded
from blockd.daemon.reload.sections import AT_A_START, CONCERNS, concerned_by
from blockd.orders.operator_line import MAX_LINE
from blockd.settings import Settings
from blockd.settings.listening import Listen
from blockd.settings.section import keys_of

FEED = {"name": "one", "type": "domains", "url": "https://lists.example/a?key=secret"}


def told(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return what is told of two configs."""
    context = {"folder": Path("/etc/blockd")}
    was, now = (Settings.model_validate(dict(one), context=context) for one in (before, after))
    return list(map(str, ConfigChanges.between(was, now).changes))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, []),
        ({"workers": 1}, {"workers": 2}, ["workers: 1 becomes 2"]),
        (
            {},
            {"cache": {"size": "64M", "max_ttl": "2h"}},
            ["cache.size: 32M becomes 64M", "cache.max_ttl: 1d becomes 2h"],
        ),
        ({}, {"cache": {"stale_after": "1500ms"}}, ["cache.stale_after: 1800ms becomes 1500ms"]),
        ({}, {"canaries": True}, ["canaries: false becomes true"]),
        ({}, {"operator": {"name": "Provider"}}, ["operator.name: '' becomes Provider"]),
        ({}, {"feeds": [FEED]}, ["feeds.one: added"]),
        ({"feeds": [FEED]}, {}, ["feeds.one: removed"]),
        ({}, {"listen": {"dns": ["127.0.0.1:8053"]}}, ["listen.dns: 1 removed"]),
        ({"gate": {"max_rejects": "30%"}}, {"gate": {"max_rejects": "40%"}}, ["gate.max_rejects: 30% becomes 40%"]),
    ],
)
def test_a_change_is_told_as_it_is_written(
    before: Mapping[str, object], after: Mapping[str, object], said: list[str]
) -> None:
    assert told(before, after) == said


def test_what_may_be_secret_in_a_url_is_not_told() -> None:
    other = {**FEED, "url": "https://lists.example/b?key=secret"}
    [change] = told({"feeds": [FEED]}, {"feeds": [other]})
    assert change == "feeds.one.url: https://lists.example/a?… becomes https://lists.example/b?…"


def test_every_setting_says_which_processes_it_concerns() -> None:
    named = set(CONCERNS)
    for key, field in keys_of(Settings).items():
        if key == "listen":
            assert {f"listen.{one}" for one in keys_of(Listen)} <= named
        else:
            assert key in named, f"{key} ({field.description}) is missing"
    known = {*keys_of(Settings), *(f"listen.{one}" for one in keys_of(Listen))}
    assert named <= known, "a setting that there is not"


def test_the_control_process_is_concerned_by_all_but_what_only_a_start_takes() -> None:
    for path, kinds in CONCERNS.items():
        assert ("control" in kinds) is (path not in AT_A_START)


def test_the_most_exact_path_counts() -> None:
    assert concerned_by("listen.admin_names") == ("control",)
    assert concerned_by("cache.client_ttl") == CONCERNS["cache"]
    assert concerned_by("feeds.one.url") == CONCERNS["feeds"]
    assert concerned_by("public.url") == CONCERNS["workers"], "workers announce it, and blocked requests are told of it"


def test_sentences_are_bounded_however_many_and_long_they_are() -> None:
    found = bounded(["é" * 5_000, *(f"feeds[{number}]: wrong" for number in range(1_000))])
    assert len(found[0]) == MAX_LETTERS + 1
    assert found[-1].startswith("and ")
    assert sum(map(len, found)) < MAX_OCTETS + 2 * MAX_LETTERS
    assert bounded(["one"]) == ("one",)


def test_a_record_comes_back_as_it_was_told() -> None:
    record = ReloadRecord("1", "user root", "", False, "2026-11-30T12:00:00Z", "refused", problems=("a: wrong",))
    assert ReloadRecord.from_message(record.to_json()) == record
    assert record.has_ended
    assert not record.is_good


def test_who_asks_is_told_in_bounds() -> None:
    request = ReloadRequest.from_message({"id": "1", "by": "x" * 10_000, "reason": "y" * 10_000, "dry_run": True})
    assert (len(request.by), len(request.reason), request.dry_run) == (MAX_BY, MAX_LINE, True)
