"""Random histories of a zone by IXFR: amended, compiled, and transferred whole, it is one and the same zone.

The primary is not careful: it adds what is there already, with another TTL perhaps, and removes with any TTL.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.transfer.base_file import base_in
from blockd.feeds.transfer.content import Differences, ZoneContent, open_zone, write_journal
from blockd.feeds.transfer.question import IXFR, TransferQuestion
from blockd.feeds.transfer.zone_transfer import Kind, ZoneTransfer
from blockd.native import ENGINE
from blockd.ruleset import Ruleset
from blockd.settings import TransferFeed
from tests.compile.test_amend import amended, made
from tests.effort import tries
from tests.feeds.transfer.messages import ZONE, soa, text, wires

pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")

FEED = TransferFeed.model_validate(
    {"name": "live", "type": "rpz-transfer", "primary": "192.0.2.53", "zone": "rpz.example"}
)
STAY = [f"{ZONE} 60 IN NS ns.example.", f"stays.{ZONE} 60 IN CNAME .", f"also.stays.{ZONE} 60 IN CNAME rpz-drop."]
OWNERS = [f"{star}{name}.example.{ZONE}" for name in ("a", "b", "c.b") for star in ("", "*.")]
TARGETS = (".", "rpz-drop.", "rpz-passthru.")


@pytest.fixture(scope="module", autouse=True)
def in_c() -> Iterator[None]:
    """Use the native engine, as there is no amending in Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, "native")
        yield


@dataclass
class Sequence:
    """The records that one difference removes and adds."""

    removed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


Zone = dict[str, tuple[str, int]]  # owner: target and TTL


def record(owner: str, target: str, ttl: int) -> str:
    return f"{owner} {ttl} IN CNAME {target}"


@st.composite
def sequences(draw: st.DrawFn, zone: Zone) -> Sequence:
    """Return a difference, and change the zone by it."""
    made = Sequence()
    for owner in draw(st.lists(st.sampled_from(OWNERS), unique=True, max_size=4)):
        target, ttl = draw(st.sampled_from(TARGETS)), draw(st.sampled_from((60, 300)))
        held = zone.get(owner)
        if held is not None and (held[0] != target or draw(st.booleans())):
            made.removed.append(record(owner, held[0], draw(st.sampled_from((held[1], ttl)))))
            del zone[owner]
            held = None
        if held is not None or draw(st.booleans()):  # else what is there is added again
            made.added.append(record(owner, target, ttl))
            zone[owner] = (target, ttl)
    return made


@st.composite
def histories(draw: st.DrawFn) -> tuple[Zone, list[tuple[list[Sequence], Zone]]]:
    """Return a zone, and the answers to IXFR that follow, each with the zone as it is then."""
    first = {
        owner: (draw(st.sampled_from(TARGETS)), 60) for owner in draw(st.lists(st.sampled_from(OWNERS), unique=True))
    }
    zone = dict(first)
    answers = []
    for _ in range(draw(st.integers(1, 3))):
        answer = [draw(sequences(zone)) for _ in range(draw(st.integers(1, 3)))]
        answers.append((answer, dict(zone)))
    return first, answers


def lines_of(zone: Zone) -> list[str]:
    return [*STAY, *(record(owner, *held) for owner, held in zone.items())]


class Disk:
    """A zone on disk: whole at first, then with the answers to IXFR applied."""

    def __init__(self, folder: Path, serial: int, zone: Zone) -> None:
        folder.mkdir()
        self._folder = folder
        with base_in(folder, 1 << 20) as base:
            base.write(text(soa(serial), *lines_of(zone), soa(serial)))
        self._content = base.content(soa(serial), serial)
        self.journal = self._written(Differences())

    def take(self, answer: list[Sequence]) -> None:
        """Apply an answer as the source does, to what is on disk."""
        start = self._content.serial
        end = start + len(answer)
        question = TransferQuestion.make(ZONE, IXFR, 7, None, start)
        records = [soa(end)]
        for serial, one in enumerate(answer, start):
            records += [soa(serial), *one.removed, soa(serial + 1), *one.added]
        transfer = ZoneTransfer(question, lambda: 0.0, start)
        differences = Differences.read(self.journal.path)
        for wire in wires(question, [*records, soa(end)]):
            for change in transfer.feed(wire):
                differences.take(change.removed, change.text)
        assert transfer.kind is Kind.DIFFERENCES
        self._content = replace(ZoneContent.read(self.journal.path), soa=soa(end), serial=end)
        self.journal = self._written(differences)

    def _written(self, differences: Differences) -> Content:
        path = self._folder / f"journal-{self._content.serial}"
        write_journal(path, self._content, differences)
        return Content(path, hashlib.sha256(path.read_bytes()).hexdigest())

    @property
    def lines(self) -> list[bytes]:
        with open_zone(self.journal.path) as pieces:
            return b"".join(pieces).splitlines()


def entries(path: Path) -> Mapping[bytes, object]:
    ruleset = Ruleset.open(path)
    orders = ruleset.catalogue.orders
    found = {
        key: {(orders[claim.order_index].order.id, claim.scope) for claim in claims}
        for key, claims in ruleset.entries()
    }
    ruleset.close()
    return found


@given(histories())
@settings(max_examples=tries(30, 300))
def test_a_zone_is_the_same_amended_compiled_and_transferred_whole(
    history: tuple[Zone, list[tuple[list[Sequence], Zone]]],
) -> None:
    first, answers = history
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        disk = Disk(folder / "disk", 1, first)
        built = made([Candidate(FEED, None, disk.journal)], folder / "ruleset")
        for number, (answer, zone) in enumerate(answers):
            before = disk.journal
            disk.take(answer)
            assert sorted(disk.lines[1:-1]) == sorted(line.encode() for line in lines_of(zone))
            new = Candidate(FEED, disk.journal, before)
            compiled = made([new], folder / "compiled")
            whole = Disk(folder / f"whole-{number}", len(answers) + 9, zone)
            made([Candidate(FEED, None, whole.journal)], folder / "whole")
            assert entries(folder / "compiled") == entries(folder / "whole")
            found = amended([new], folder / "ruleset", folder / "amended", built.rejects)
            if found is not None:
                assert entries(folder / "amended") == entries(folder / "whole")
                mine, theirs = found.rejects["live"], compiled.rejects["live"]
                assert (mine.lines, mine.accepted, mine.counts) == (theirs.lines, theirs.accepted, theirs.counts)
            (folder / ("amended" if found is not None else "compiled")).replace(folder / "ruleset")
            built = found if found is not None else compiled


def test_what_is_added_again_and_then_removed_does_not_come_back(tmp_path: Path) -> None:
    listed = record(OWNERS[0], ".", 60)
    disk = Disk(tmp_path / "disk", 1, {OWNERS[0]: (".", 60)})
    disk.take([Sequence(added=[listed])])
    disk.take([Sequence(removed=[listed])])
    assert disk.lines[1:-1] == [line.encode() for line in STAY]
    disk.take([Sequence(added=[listed]), Sequence(removed=[listed])])
    assert disk.lines[1:-1] == [line.encode() for line in STAY]


def test_one_of_two_rules_for_a_name_leaves_the_other(tmp_path: Path) -> None:
    passthru = f"a.example.{ZONE} 60 IN CNAME rpz-passthru."
    old_form = f"a.example.{ZONE} 60 IN CNAME a.example."
    for number, (gone, stays) in enumerate(((passthru, old_form), (old_form, passthru))):
        folder = tmp_path / str(number)
        folder.mkdir()
        disk = Disk(folder / "disk", 1, {})
        disk.take([Sequence(added=[gone, stays])])
        built = made([Candidate(FEED, None, disk.journal)], folder / "ruleset")
        before = disk.journal
        disk.take([Sequence(removed=[gone])])
        new = Candidate(FEED, disk.journal, before)
        made([new], folder / "compiled")
        assert entries(folder / "compiled")[b"\x07example\x01a"]
        found = amended([new], folder / "ruleset", folder / "amended", built.rejects)
        assert found is None or entries(folder / "amended") == entries(folder / "compiled")
