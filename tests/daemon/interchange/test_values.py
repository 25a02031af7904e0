"""What processes hand to each other comes out as it went in, and whatever else is sent is a ValueError."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.compile.built import Built, Judged
from blockd.daemon.interchange import sealed
from blockd.daemon.interchange.failures import failure_of, failure_values
from blockd.daemon.interchange.values import from_values, to_values
from blockd.daemon.update.compile_child import Job
from blockd.errors import (
    AuditError,
    BlockdError,
    CommandError,
    ConfigError,
    FeedRefused,
    FeedUnreachable,
    FileTooLarge,
    GateRefused,
    RulesetError,
)
from blockd.feeds.budget import Budget, Spent
from blockd.feeds.candidate import Candidate, Content
from blockd.formats.rejects import RejectReport
from blockd.names import Network
from blockd.ruleset import FeedRecord, Gate
from blockd.ruleset.building.spare import Spare
from blockd.ruleset.format import FileSection, Header
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.lists import gate_of
from blockd.ruleset.gate.network_guard import OwnNetworks
from blockd.ruleset.versions.diff import Changes
from blockd.settings import OverridesFeed, Settings

FEEDS: list[dict[str, object]] = [
    {
        "name": "ministry", "type": "signed", "url": "https://e.example/x", "root": "/a/root.json", "interval": "2s",
        "notify": {"zone": "o.example", "from": ["192.0.2.1"], "tsig": {"name": "k", "secret_file": "/s/f"}},
        "mirrors": ["https://m.example/a"], "authorities": {"court": {"at_expiry": "stop"}}, "token_file": "/s/t",
    },
    {
        "name": "national", "type": "domains", "path": "/l/n", "action": "nxdomain", "limits": {"read_time": "10s"},
        "gate": {"max_shrink": "20%", "protected": ["/a/b"]},
    },
    {"name": "h", "type": "hosts", "url": "https://a.example/h", "interval": "1h"},
    {
        "name": "z", "type": "rpz-transfer", "primary": ["192.0.2.53", "ns.example:5353"], "zone": "rpz.example",
        "tsig": {"name": "k", "algorithm": "hmac-sha256", "secret_file": "/s/f"},
    },
    {"name": "r", "type": "rpz", "path": "/l/r"},
    {"name": "a", "type": "adblock", "path": "/l/a", "contact": "x@y.example", "platform": "P"},
    {"name": "n", "type": "addresses", "path": "/l/x"},
]  # fmt: skip
SETTINGS = Settings.model_validate({"upstreams": ["127.0.0.1:1"], "feeds": FEEDS})
ALL_FEEDS = [*SETTINGS.feeds, OverridesFeed(path=Path("/state/overrides.json"))]


def handed(value: Any, kind: type[Any]) -> Any:
    return from_values(json.loads(json.dumps(to_values(value, kind))), kind)


def rejects() -> RejectReport:
    report = RejectReport(7, 5)
    report.add("bad name", 3, b"\xff\x00 odd")
    report.skip("comment", 4, b"! x")
    report.warn("odd")
    return report


def held() -> GuardReport:
    report = GuardReport(enforced=True)
    report.add("public suffix", b"\x02id\x02co", 3, reported=True)
    return report


RECORD = FeedRecord("ministry", "signed", 10, 7, "ab" * 32, may_lift={"court": ("ministry", "")})
BUILT = Built(
    Header(bytes(16), b"\xff" * 16, 1, 2, 3, 4, 5, 1 << 32, 1 << 128, table=FileSection(256, 64)),
    "made",
    taken={"ministry"},
    refused={
        "a": FeedRefused("html", "It is a page."),
        "b": GateRefused("shrunk", "It shrank."),
        "c": FeedUnreachable("It is away.", 3.5),
    },
    slow={"h"},
    spent={"h": Spent(1.5, 7)},
    lost={"z"},
    rejects={"h": rejects()},
    held={"h": held()},
    records={"ministry": RECORD},
    found={"h": Judged(RECORD, held())},
    news=(b"\x07example", b"\x00" * 4),
    changes=Changes(1, 2, 3),
)


@pytest.mark.parametrize("feed", ALL_FEEDS, ids=lambda feed: feed.name)
def test_a_feed_of_each_kind_comes_out_as_it_went_in(feed: Any) -> None:
    made = Candidate(feed, Content(Path("/x\udcff"), "d", "s"), None, lasting=3, budget=Budget(1, 2), waived=True)
    found = handed(made, Candidate)
    assert (found, found.feed.model_fields_set) == (made, feed.model_fields_set)
    assert type(found.feed) is type(feed)
    assert repr(found) == repr(replace(made, budget=Budget(1.0, 2)))


def test_a_job_and_its_gate_come_out_as_they_went_in() -> None:
    lists = SETTINGS.gate.model_copy(update={"popular": True})
    own = OwnNetworks((Network.from_text("9.9.9.9"),), (Network.from_text("2620:fe::fe"),))
    gate = gate_of(lists, [one for one in ALL_FEEDS if one.name != "national"]).standing_on(own).releasing([b"\x02id"])
    gate = replace(gate, feeds={"national": replace(gate, min_names=7, own_keys=frozenset({"min_names"}))})
    candidates = tuple(Candidate(feed, None, Content(Path("/c"), "e")) for feed in ALL_FEEDS)
    job = Job(
        candidates,
        Path("/o"),
        gate,
        Path("/f"),
        {"h": rejects()},
        {"h": held()},
        True,
        False,
        Spare(Path("/s"), b"\xff"),
    )
    found = handed(job, Job)
    assert found == job
    assert found.gate.guard.digest == gate.guard.digest
    assert len(found.gate.guard.marks) > 1000


def test_a_result_comes_out_as_it_went_in() -> None:
    found = handed(BUILT, Built)
    assert to_values(found, Built) == to_values(BUILT, Built)
    assert {name: (type(one), one.reason, str(one)) for name, one in found.refused.items()} == {
        name: (type(one), one.reason, str(one)) for name, one in BUILT.refused.items()
    }
    assert replace(found, refused={}) == replace(BUILT, refused={})
    assert type(found.news) is tuple
    assert found.refused["c"].retry_after == 3.5


@pytest.mark.parametrize(
    "error",
    [
        RulesetError("A sentence."),
        CommandError("Another."),
        ConfigError("file", ["one", "two"]),
        FeedRefused("html", "why"),
        GateRefused("empty", "why"),
        FeedUnreachable("why"),
        FileTooLarge("/a", 7),
    ],
)
def test_an_error_keeps_its_class_and_its_text(error: BlockdError) -> None:
    found = failure_of(json.loads(json.dumps(failure_values(error))))
    assert (type(found), str(found)) == (type(error), str(error))


def test_an_error_of_another_class_keeps_its_text() -> None:
    assert str(failure_of(failure_values(AuditError("Why.")))) == "Why."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([Built, Candidate, Gate, Job, Header]))
def test_what_was_not_written_by_blockd_is_a_value_error(values: Any, kind: type[Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says what it expected
        from_values(values, kind)
    with pytest.raises(ValueError):  # noqa: PT011
        failure_of(values)


def _paths(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [path, *(found for key, one in inner for found in _paths(one, (*path, key)))]


PLACES = _paths(to_values(BUILT, Built))


@given(st.sampled_from(PLACES), JSON)
def test_a_result_with_anything_else_in_one_place_is_one_of_the_same_types_or_a_value_error(
    place: tuple[Any, ...], other: Any
) -> None:
    values: Any = {"": json.loads(json.dumps(to_values(BUILT, Built)))}
    inner = values
    for key in ("", *place)[:-1]:
        inner = inner[key]
    inner[("", *place)[-1]] = other
    try:
        found = from_values(values[""], Built)
    except ValueError:
        return
    assert to_values(found, Built) == to_values(from_values(to_values(found, Built), Built), Built)


def test_what_is_cut_or_has_other_members_is_refused() -> None:
    values = to_values(SETTINGS.gate and gate_of(SETTINGS.gate.model_copy(update={"protected": ()})), Gate)
    marks = values["guard"]["marks"]
    for wrong in ({**values, "more": 1}, {key: values[key] for key in list(values)[1:]}):
        with pytest.raises(ValueError, match="other members"):
            from_values(wrong, Gate)
    for broken in (["", marks[1], marks[2]], marks[:2], [*marks[:2], "AA=="], ["%", marks[1], marks[2]]):
        with pytest.raises(ValueError):  # noqa: PT011
            from_values({**values, "guard": {**values["guard"], "marks": broken}}, Gate)


def test_a_sealed_file_stays_as_it_is() -> None:
    descriptor = sealed.made("test")
    os.write(descriptor, b"content")
    assert not sealed.is_sealed(descriptor)
    sealed.seal(descriptor)
    assert sealed.is_sealed(descriptor)
    for change in (
        lambda: os.pwrite(descriptor, b"x", 0),
        lambda: os.ftruncate(descriptor, 0),
        lambda: os.ftruncate(descriptor, 100),
        lambda: os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_TRUNC)),
    ):
        with pytest.raises(OSError, match=r"."):
            change()
    assert os.pread(descriptor, 9, 0) == b"content"
    os.close(descriptor)
