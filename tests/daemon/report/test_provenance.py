"""The lines of signed orders' lists behind a name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.daemon.report.provenance import line_of, with_provenance
from blockd.feeds.signed import kind
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.formats.finding.line import Line
from blockd.names import Network, key_from_text
from blockd.orders import Entry, ListStep, NameList, Order, OrderDocument, Scope, State
from blockd.ruleset import Versions
from blockd.ruleset.explain import ExplainedClaim, explain
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.held_file import write_reports
from blockd.settings import FEED_TYPES, SignedFeed
from tests.ruleset.lists import enforced, feed, listing, order

TEXT = b"a.example\nb.example\nc.example\n"
FEED = SignedFeed.model_construct(name="ministry", type="signed")


def document(subject: Order, text: bytes) -> OrderDocument:
    step = ListStep("lists/nat.gz", hashlib.sha256(text).hexdigest(), len(text), text.count(b"\n"))
    return OrderDocument(subject, (), NameList((step,)))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with a signed feed that has two orders with lists, and one without."""
    folder = tmp_path / "feeds" / "ministry"
    (folder / "lists").mkdir(parents=True)
    one, two = document(order("one"), b"x.example\n"), document(order("two"), TEXT)
    for each, text in ((one, b"x.example\n"), (two, TEXT)):
        assert each.names is not None
        (folder / "lists" / f"{each.names.last.sha256}.txt").write_bytes(text)
    documents = (one, OrderDocument(order("three"), ()), two)
    write_bundle(SignedVersion(1, 1, 2_000_000_000, documents, "ab"), folder / "accepted")
    return tmp_path


def line(state: Path, identifier: str, entry: str) -> Line | None:
    """Return the line of a claim of the order `identifier`."""
    key = Network.from_text(entry).key if "/" in entry else key_from_text(entry)
    claim = ExplainedClaim(Entry(key, Scope.BOTH), "ministry", order(identifier), State.IN_FORCE, stale=False)
    return line_of(claim, {"ministry": FEED}, state, about=key)


def test_the_line_in_the_list_of_the_claims_order_is_told(state: Path) -> None:
    assert line(state, "two", "b.example") == Line(2, "b.example")
    assert line(state, "one", "x.example") == Line(1, "x.example")


def test_the_line_is_that_of_the_authoritys_own_order(tmp_path: Path) -> None:
    folder = tmp_path / "feeds" / "ministry"
    (folder / "lists").mkdir(parents=True)
    court, bank = (replace(order("17"), role=role) for role in ("court", "bank"))
    documents = document(court, b"x.example\n"), document(bank, TEXT)
    for each, text in zip(documents, (b"x.example\n", TEXT), strict=True):
        assert each.names is not None
        (folder / "lists" / f"{each.names.last.sha256}.txt").write_bytes(text)
    write_bundle(SignedVersion(1, 1, 2_000_000_000, documents, "ab"), folder / "accepted")
    for whose, found in ((court, None), (bank, Line(2, "b.example"))):
        claim = ExplainedClaim(Entry(key_from_text("b.example")), "ministry", whose, State.IN_FORCE, stale=False)
        assert line_of(claim, {"ministry": FEED}, tmp_path, about=claim.entry.key) == found


def test_nothing_is_told_where_there_is_nothing_to_tell(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line(state, "one", "b.example") is None  # another order's name
    assert line(state, "three", "b.example") is None  # its names are in its document
    assert line(state, "four", "b.example") is None
    assert line(state, "two", "192.0.2.0/24") is None
    monkeypatch.setattr(kind, "MAX_BUNDLE", 10)
    assert line(state, "two", "b.example") is None


@pytest.mark.parametrize("harm", ["accepted", "lists"])
def test_files_that_are_damaged_or_gone_name_nothing(state: Path, harm: str) -> None:
    folder = state / "feeds" / "ministry"
    for path in [folder / harm] if harm == "accepted" else list((folder / harm).iterdir()):
        path.write_bytes(path.read_bytes()[:-7])
    assert line(state, "two", "c.example") is None
    for path in [folder / harm] if harm == "accepted" else list((folder / harm).iterdir()):
        path.unlink()
    assert line(state, "two", "a.example") is None


def test_lines_and_versions_stand_beside_what_is_explained(state: Path) -> None:
    subject = enforced(state, feed("ministry", listing(order("two"), "b.example")))
    told = explain(subject, "www.b.example")
    traced = with_provenance(told, [FEED], state).to_json()
    never = {"versions_kept": 0, "first": None, "last": None, "since_before": False, "until_now": False}
    assert told.ruleset is not None
    (claim,) = (weighed.to_json() for weighed in told.ruleset.claims)
    assert traced == {
        **told.to_json(),
        "claims": [{**claim, "line": {"number": 2, "text": "b.example"}}],
        "listed": never,
        "held": [],
    }
    quick = with_provenance(told, [FEED], state, lines=False).to_json()
    assert quick == {**traced, "claims": [{**claim, "line": None}]}


def test_without_a_ruleset_there_is_nothing_beside_it(state: Path) -> None:
    told = explain(None, "www.b.example")
    assert with_provenance(told, [FEED], state) is told


def test_the_line_of_a_network_in_a_list_of_addresses_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "feeds" / "isp"
    folder.mkdir(parents=True)
    (folder / "accepted").write_text("# hosts\n45.33.32.156\n2606:4700::-2606:4700::ffff\n")
    isp = FEED_TYPES["addresses"].model_validate({"name": "isp", "type": "addresses", "path": "/srv/hosts"})
    found = []
    for text in ("45.33.32.156", "2606:4700::/112", "45.33.32.157"):
        entry = Entry(Network.from_text(text).key)
        claim = ExplainedClaim(entry, "isp", order("isp"), State.IN_FORCE, stale=False)
        found.append(line_of(claim, {"isp": isp}, tmp_path, about=entry.key))
    assert found == [Line(2, "45.33.32.156"), Line(3, "2606:4700::-2606:4700::ffff"), None]


def test_an_entry_that_is_held_back_stands_beside_it_with_what_lets_it_through(state: Path) -> None:
    subject = enforced(state, feed("ministry", listing(order("two"), "b.example")))
    told = explain(subject, "www.a.example")
    report = GuardReport()
    report.add("public suffix", key_from_text("a.example"))
    report.add("popular", key_from_text("www.a.example"), reported=True)
    report.add("protected", key_from_text("b.example"))
    (state / "rulesets").mkdir(exist_ok=True)
    write_reports(Versions(state / "rulesets").held_path(subject.version), {FEED.name: report})
    traced = with_provenance(told, [FEED], state).to_json()
    held = {entry["entry"]: entry for entry in traced["held"]}  # type: ignore[attr-defined]
    assert held["a.example"] == {
        "feed": FEED.name, "entry": "a.example", "scope": "both", "reason": "public suffix", "held": True,
        "line": None, "release": "blockd held release a.example --reason TEXT",
    }  # fmt: skip
    assert (held["www.a.example"]["held"], held["www.a.example"]["release"]) == (False, None)
    assert len(held) == 2


@pytest.mark.parametrize(
    ("kind", "text"),
    [("rpz", "@ SOA a. b. 1 2 3 4 5\none.example CNAME .\n*.one.example CNAME .\n"),
     ("adblock", "! title\n|one.example^\n*.one.example^\n")],
)  # fmt: skip
def test_of_two_lines_of_an_entry_the_one_is_told_that_covers_the_name(tmp_path: Path, kind: str, text: str) -> None:
    folder = tmp_path / "feeds" / "own"
    folder.mkdir(parents=True)
    (folder / "accepted").write_text(text)
    own = FEED_TYPES[kind].model_validate({"name": "own", "type": kind, "path": "/srv/own"})
    claim = ExplainedClaim(Entry(key_from_text("one.example")), "own", order("own"), State.IN_FORCE, stale=False)
    lines = [
        line_of(claim, {"own": own}, tmp_path, about=key_from_text(name)) for name in ("one.example", "a.one.example")
    ]
    assert [line.number for line in lines if line] == [2, 3]
