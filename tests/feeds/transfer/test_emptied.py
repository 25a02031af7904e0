"""A zone that its primary empties is empty here too, by a real transfer, within the gate's limits."""

from __future__ import annotations

import os
from pathlib import Path

import dns.tsig
import pytest

from blockd.compile.amend import amend
from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.errors import GateRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Fetched
from blockd.formats.rejects import RejectReport
from blockd.names import key_from_text
from blockd.ruleset import Gate, Ruleset
from tests.feeds.transfer.messages import KEY, ZONE, blocked, soa
from tests.feeds.transfer.primary import Primary, serving
from tests.feeds.transfer.test_source import Secondary, run

NOW = 1_800_000_000  # seconds since the epoch
NS = f"{ZONE} 60 IN NS localhost."
MANY = [blocked(f"n{number}.example") for number in range(1_000)]


class Node:
    """What a node compiles of one zone."""

    def __init__(self, folder: Path, secondary: Secondary, gate: Gate) -> None:
        self.path, self._folder, self._secondary, self._gate = folder / "ruleset", folder, secondary, gate
        self._rejects: dict[str, RejectReport] = {}

    def take(self, fetched: Fetched) -> Built:
        """Compile what was fetched, first by amending if there is something to amend; accept it if it is taken."""
        feed, folder = self._secondary.feed, self._secondary.folder
        accepted = Content(folder / "accepted", "old") if (folder / "accepted").exists() else None
        candidate = Candidate(feed, Content(fetched.path, fetched.digest), accepted)
        old = Ruleset.open(self.path) if self.path.exists() else None
        if old is not None:
            amended = amend(
                [candidate], self.path, self._folder / "amended", reports=self._rejects, held={}, gate=self._gate,
                created=NOW, randomness=os.urandom,
            )  # fmt: skip
            assert amended is None, "an emptied zone is left to the compiler"
        built = build(
            [candidate], self._folder / "new", gate=self._gate, in_force=old.catalogue if old else None,
            created=NOW, randomness=os.urandom,
        )  # fmt: skip
        if old is not None:
            old.close()
        if "live" in built.taken:
            fetched.path.replace(folder / "accepted")
            (self._folder / "new").replace(self.path)
            self._rejects = built.rejects
        return built

    def lists(self, name: str) -> bool:
        ruleset = Ruleset.open(self.path)
        found = bool(ruleset.claims(key_from_text(name)))
        ruleset.close()
        return found


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize(
    ("rules", "gate", "is_taken"),
    [
        ([blocked("a.example")], Gate(), True),
        (MANY[:999], Gate(), True),
        (MANY, Gate(), False),
        (MANY, Gate(max_shrink=1), True),
        ([blocked("a.example")], Gate(is_least_set=True), False),
    ],
)
def test_an_emptied_zone(
    tmp_path: Path, key: dns.tsig.Key | None, incremental: bool, rules: list[str], gate: Gate, is_taken: bool
) -> None:
    async def test() -> None:
        primary = Primary(key=key)
        primary.serial, primary.axfr = 5, [[soa(5), NS, *rules, soa(5)]]
        async with serving(primary):
            secondary = Secondary(tmp_path, primary, key=key)
            node = Node(tmp_path, secondary, gate)
            first = await secondary.look()
            assert first is not None
            assert node.take(first).taken == {"live"}
            assert node.lists("n0.example" if len(rules) > 1 else "a.example")
            primary.serial, primary.axfr = 6, [[soa(6), NS, soa(6)]]
            primary.ixfr = [[soa(6), soa(5), *rules, soa(6), soa(6)]] if incremental else primary.axfr
            emptied = await secondary.look()
            assert emptied is not None
            built = node.take(emptied)
            if is_taken:
                assert (built.taken, built.records["live"].names) == ({"live"}, 0)
            else:
                assert isinstance(built.refused["live"], GateRefused)
                assert built.refused["live"].reason == "empty"
            assert node.lists("n0.example" if len(rules) > 1 else "a.example") is not is_taken

    run(test)
