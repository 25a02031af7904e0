"""What a node can prove of authorities that sign with several people: to itself, to others, before and after an end."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.authorities import NAMES, THRESHOLD, Authorities, grown, text
from tests.daemon.harness import Daemon, blockd, everywhere, until
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
NAME = "listed.example"
LISTED = "n5.listed-5.example"


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    made = Authorities(tmp_path / "authorities")
    made.order("court", "court-1", [NAME])
    made.long("bank", "bank-national", grown(tmp_path / "names", 200))
    made.publish()
    return made


@pytest.fixture
def daemon(tmp_path: Path, authorities: Authorities, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    running = Daemon(tmp_path / "daemon", authorities.feed(), upstream=resolver.address)
    running.start()
    try:
        until(running.is_ready, "it enforces")
        yield running
        running.stop()
    finally:
        running.destroy()


def prove(daemon: Daemon, name: str, moment: str, *more: str, code: int = 0) -> dict[str, Any]:
    done = daemon.run_verb("audit", "prove", name, moment, "--json", *more)
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def signature(told: dict[str, Any], role: str) -> dict[str, Any]:
    """Return what is told of a role's signatures behind the one order that covers a name."""
    (order,) = told["orders"]
    (found,) = [each for each in order["signatures"] if each["role"] == role]
    return dict(found)


def verified(daemon: Daemon) -> dict[str, Any]:
    done = daemon.run_verb("audit", "verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_signatures_of_several_people_are_proved_here_and_elsewhere_before_and_after_a_lifting(
    tmp_path: Path, authorities: Authorities, daemon: Daemon
) -> None:
    before = _now()
    told = prove(daemon, NAME, before)
    assert (told["covered"], told["decides"], told["orders"][0]["authority"]) == (True, "court/court-1", NAMES["court"])
    assert told["orders"][0]["role"] == "court"
    found = signature(told, "court")
    assert (found["version"], found["threshold"], len(found["keys"])) == (1, THRESHOLD, THRESHOLD)
    assert set(found["keys"]) <= set(authorities.keyids["court"])
    of_list = prove(daemon, LISTED, before)
    assert of_list["orders"][0]["proved_by"].startswith(
        "signatures: the list of order bank/bank-national has the SHA-256 "
    )
    assert set(signature(of_list, "bank")["keys"]) <= set(authorities.keyids["bank"])

    authorities.lift("court", "court-1")
    authorities.publish()
    everywhere(lambda: daemon.ask(NAME).addresses != SINKHOLE, "the order is lifted")
    until(lambda: daemon.metric("blockd_order_to_enforcement_seconds_count", change="lifted") == 1, "it is recorded")
    after = _now()
    told = prove(daemon, NAME, after, "--export", str(tmp_path / "after.json"), code=1)
    assert (told["covered"], told["orders"][0]["state"]) == (False, "lifted")
    assert signature(told, "court")["version"] == 2
    told = prove(daemon, NAME, before, "--export", str(tmp_path / "before.json"))
    assert (told["covered"], told["orders"][0]["state"], signature(told, "court")["version"]) == (True, "in force", 1)
    shown = daemon.run_verb("audit", "prove", NAME, before).stdout
    assert f"court version 1: 2 signatures, 2 needed: {found['keys'][0][:16]}, {found['keys'][1][:16]}" in shown
    log = verified(daemon)
    assert log["signed_lists_proved"] == 2

    elsewhere = tmp_path / "elsewhere"  # somebody who has the proofs, the log, and the root from the authority
    elsewhere.mkdir()
    for path in (tmp_path / "before.json", tmp_path / "after.json", authorities.root):
        shutil.copy(path, elsewhere)
    for proof, covered, state in (("before.json", True, "in force"), ("after.json", None, "lifted")):
        done = blockd("audit", "verify", "--proof", proof, "--root", "root.json", "--json", folder=elsewhere)
        is_proved = covered is not None  # the lifting is; that the national list has not the name is in no proof
        assert done.returncode == (0 if is_proved else 1), done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert (told["ok"], told["covered"], told["orders"][0]["state"]) == (is_proved, covered, state)
        assert set(signature(told, "court")["keys"]) <= set(authorities.keyids["court"])
    shown = blockd("audit", "verify", "--proof", "after.json", "--root", "root.json", folder=elsewhere).stdout
    assert "The records are intact, but do not prove everything that is claimed.\nwhether " in shown
    assert "order court/court-1 of" in shown
    stranger = Authorities(tmp_path / "stranger")
    done = blockd("audit", "verify", "--proof", "before.json", "--root", str(stranger.root), folder=elsewhere)
    assert done.returncode == 1, "another root proves nothing"


def test_statement_is_verified_and_the_chain_goes_on_after_a_restart(
    tmp_path: Path, authorities: Authorities, daemon: Daemon
) -> None:
    statement, key = tmp_path / "statement.json", tmp_path / "key.pem"
    assert daemon.run_verb("audit", "statement", "--out", str(statement)).returncode == 0
    key.write_text(daemon.run_verb("audit", "key").stdout)
    done = blockd("audit", "verify", "--statement", str(statement), "--key", str(key), "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {order["id"] for order in told["orders"]} == {"court-1", "bank-national"}
    daemon.stop()
    daemon.start()
    authorities.order("telecom", "telecom-1", ["open-1.example"])
    authorities.publish()
    everywhere(lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "the news are enforced")
    until(lambda: daemon.metric("blockd_order_to_enforcement_seconds_count", change="imposed") == 1, "it is recorded")
    log = verified(daemon)
    assert log["head"]["number"] > told["audit"]["number"], "it goes on behind what was stated"
    assert log["signed_lists_proved"] >= 2
    assert set(signature(prove(daemon, "open-1.example", "now"), "telecom")["keys"]) <= set(
        authorities.keyids["telecom"]
    )


def _now() -> str:
    """Wait for the next whole second, as a time is asked for, and return it."""
    at = math.ceil(time.time())
    until(lambda: time.time() >= at, "the second is over")
    return text(datetime.fromtimestamp(at, UTC))
