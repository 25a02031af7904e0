from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.load import compiler
from tests.bench.names import GROWTH, SINKHOLE, make
from tests.bench.peers import PEERS
from tests.bench.programs import find
from tests.bench.table import Cost, Result, Row
from tests.bench.zone import ZONE, zone_update

ROOT = Path(__file__).parents[2]
RUN_TIME = 300.0  # seconds that the quick benchmark of three servers may take
LACKING = [name for name in ("dnsperf", "knotd", "taskset") if find(name) is None]
CORES = sorted(os.sched_getaffinity(0))


@pytest.mark.skipif(bool(LACKING), reason=f"{', '.join(LACKING)} not on this machine (tests/bench/install-debian.sh)")
@pytest.mark.skipif(len(CORES) < 2, reason="a server and its load need a core each")
def test_the_quick_benchmark_gives_sane_figures_for_blockd_the_floor_and_a_peer(tmp_path: Path) -> None:
    servers = ["blockd", *(["floor"] if compiler() else []), *[peer.name for peer in PEERS if not peer.missing()][:1]]
    figures = tmp_path / "figures.json"
    cores = ["--server-core", str(CORES[0]), "--load-core", str(CORES[1])]
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", ",".join(servers), "--json", str(figures)]
    done = subprocess.run(  # noqa: S603
        [*command, *cores], cwd=ROOT, capture_output=True, text=True, timeout=RUN_TIME, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["server"]: row for row in json.loads(figures.read_text(encoding="utf-8"))["rows"]}
    assert rows.keys() == set(servers)
    for name, row in rows.items():
        assert re.search(rf"^\| {re.escape(name)} \| ~?\d", done.stdout, re.MULTILINE), done.stdout
        assert all(0 < cost["cpu"] < 10_000 and cost["rate"] > 0 for cost in row["costs"].values())
        assert 0 < row["memory"] < 2_000
        assert 0 < row["start"] < 60
        if compiler():
            p50, p99, p999 = row["percentiles"]
            assert 0 < p50 <= p99 <= p999
        if name != "floor":
            assert row["costs"].keys() == {"blocked", "cached", "missed"}
            assert 0 < row["change"] < 60
    assert rows["blockd"]["warm_start"] > 0
    assert not compiler() or 0 <= rows["blockd"]["lost"] + rows["blockd"]["late"] <= rows["blockd"]["asked"]


def test_the_same_count_gives_the_same_names_and_the_grown_list_holds_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.names.MAKER", tmp_path / "absent")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    first, second = (make(folder, 1000) for folder in folders)
    assert (first.blocked, first.new) == (second.blocked, second.new)
    listed, added = first.listed.read_text().splitlines(), first.added.read_text().splitlines()
    assert (len(set(listed)), len(set(added))) == (1000, GROWTH)
    assert first.grown.read_text().splitlines() == listed + added
    assert set(first.blocked) <= set(listed)
    for name in first.new:
        above = name.split(".")
        assert not {".".join(above[depth:]) for depth in range(len(above))} & set(listed)


def test_every_update_message_has_its_names_and_is_sent() -> None:
    text = zone_update(53, [f"name{number}.example" for number in range(450)])
    assert text.count("send\n") == 3
    assert text.endswith(f"add *.name449.example.{ZONE}. 60 A {SINKHOLE}\nsend\n")


class TestTable:
    def row(self) -> Row:
        return Row(
            "blockd", "1.0", "a list", costs={"blocked": Cost(6.0, 1000.0, 0.95), "cached": Cost(7.0, 900.0, 0.5)}
        )

    def test_it_compares_with_the_floor(self) -> None:
        floor = Row("floor", costs={"blocked": Cost(1.5, 4000.0, 1.0)})
        [line] = [line for line in Result({}, [floor, self.row()], {}).markdown().splitlines() if "| blockd" in line]
        assert line.startswith("| blockd | 6.0 | ~7.0 | - | 4.0 |")

    def test_a_broken_server_says_why_and_has_no_figures_that_were_not_measured(self) -> None:
        text = Result({}, [Row("named", problem="answered x with silence")], {}).markdown()
        assert "* named is broken: answered x with silence" in text
        assert f"| named |{' - |' * 10}" in text

    def test_a_skipped_server_is_named(self) -> None:
        assert "* kresd is skipped: this machine has no kresd." in Result({}, [], {"kresd": "kresd"}).markdown()
