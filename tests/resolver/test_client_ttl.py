"""`cache.client_ttl`: no answer, wherever it comes from, may be kept by clients for longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blockd.orders import Action, LocalRecord
from blockd.settings import Settings
from tests.resolver.rig import Rig, order
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
MOST = 20  # seconds, less than any other limit


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN CNAME cdn.example.", "cdn.example. 60 IN A 198.51.100.1")
    return Rig(tmp_path, upstream.upstream, client_ttl=MOST, stale=86_400, attempts=1)


def test_upstreams_ttls_are_cut_for_clients_and_not_in_the_cache(rig: Rig, upstream: UpstreamSimulator) -> None:
    seen = []
    for _ in range(3):
        seen.append(rig.answer(NAME).records)
        rig.clock.now += 25
    assert seen == [
        ["20 cdn.example.", "20 198.51.100.1"],
        ["20 cdn.example.", "20 198.51.100.1"],
        ["20 cdn.example.", "10 198.51.100.1"],
    ]
    assert len(upstream.seen) == 1


def test_negative_and_stale_answers_are_cut(rig: Rig, upstream: UpstreamSimulator) -> None:
    assert rig.answer("missing.example").negative_ttl == MOST
    rig.clock.now += 60
    upstream.faults = {Fault.SERVFAIL}
    assert rig.answer("missing.example").negative_ttl == MOST


@pytest.mark.parametrize(
    ("action", "fields", "records"),
    [
        (Action.SINKHOLE, {}, ["20 192.0.2.80"]),
        (Action.CNAME, {"cname": "page.example"}, ["20 page.example.", "20 198.51.100.9"]),
        (Action.LOCAL, {"records": (LocalRecord(1, 3600, b"\xc6\x33\x64\5"),)}, ["20 198.51.100.5"]),
        (
            Action.CNAME,
            {"cname": "page.example", "records": (LocalRecord(1, 3600, b"\xc6\x33\x64\5"),)},
            ["20 page.example.", "20 198.51.100.5"],
        ),
    ],
)
def test_what_orders_answer_is_cut(
    rig: Rig, upstream: UpstreamSimulator, action: Action, fields: dict[str, Any], records: list[str]
) -> None:
    upstream.plan("page.example", "A", "page.example. 300 IN A 198.51.100.9")
    rig.enforce([(order(action=action, **fields), [NAME])])
    assert rig.answer(NAME).records == records


@pytest.mark.parametrize("action", [Action.NXDOMAIN, Action.NODATA, Action.SINKHOLE])
def test_negative_blocks_are_cut(rig: Rig, action: Action) -> None:
    rig.enforce([(order(action=action), [NAME])])
    assert rig.answer(NAME, "TXT").negative_ttl == MOST


def test_a_block_that_an_answer_leads_to_is_cut(rig: Rig) -> None:
    rig.enforce([(order(), ["cdn.example"])])
    assert [rig.answer(NAME).records for _ in range(2)] == [["20 192.0.2.80"]] * 2


@pytest.mark.parametrize(("ttl", "most", "block_ttl"), [(60, "1h", 60), (60, "30s", 30)])
def test_the_block_page_and_the_self_test_know_the_lesser_of_both(ttl: int, most: str, block_ttl: int) -> None:
    settings = Settings.model_validate({"sinkhole": {"ttl": ttl}, "cache": {"client_ttl": most}})
    assert settings.block_ttl == block_ttl
