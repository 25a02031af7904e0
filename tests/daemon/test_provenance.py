"""The lines of signed orders' lists behind a name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from blockd.daemon import provenance
from blockd.daemon.provenance import with_provenance
from blockd.feeds.bundle import SignedVersion, write_bundle
from blockd.orders import ListStep, NameList, Order, OrderDocument
from blockd.orders.document import order_to_json
from blockd.settings import SignedFeed
from tests.ruleset.lists import order

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


def line(state: Path, identifier: str, entry: str, *, lines: bool = True) -> object:
    """Give the line that is told of a claim of the order `identifier`."""
    claim = {"feed": "ministry", "entry": entry, "order": order_to_json(order(identifier))}
    claims = with_provenance({"claims": [claim]}, "www.b.example", [FEED], state, lines=lines)["claims"]
    assert isinstance(claims, list)
    return claims[0]["line"]


def test_the_line_in_the_list_of_the_claims_order_is_told(state: Path) -> None:
    assert line(state, "two", "b.example") == {"number": 2, "text": "b.example"}
    assert line(state, "one", "x.example") == {"number": 1, "text": "x.example"}


def test_nothing_is_told_where_there_is_nothing_to_tell(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line(state, "one", "b.example") is None  # another order's name
    assert line(state, "three", "b.example") is None  # its names are in its document
    assert line(state, "four", "b.example") is None
    assert line(state, "two", "192.0.2.0/24") is None
    assert line(state, "two", "b.example", lines=False) is None
    monkeypatch.setattr(provenance, "MAX_BUNDLE", 10)
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
