"""Orders whose names are in a text beside the bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.compile.build import examples
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.feeds.signed.list_texts import text_path
from blockd.names import key_from_text
from blockd.native import ENGINE
from blockd.orders import ListStep, NameList, OrderDocument, Scope, parse_document
from tests.compile.builder import NOW, Builder, reasons, signed

NAMES = ["a.example", "b.example", "www.c.example"]


@pytest.fixture(params=["native", "python"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "native":
        pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")
    monkeypatch.setenv(ENGINE, request.param)


def listing(builder: Builder, change: Callable[[ListStep], ListStep] = lambda step: step) -> Content:
    text = "".join(f"{name}\n" for name in NAMES).encode()
    step = ListStep("lists/national.gz", hashlib.sha256(text).hexdigest(), len(text), len(NAMES))
    path = text_path(builder.folder, step)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    order = {"schema": "1.0", "id": "o-1", "authority": "A", "platform": "P", "in_force_from": "2026-01-01"}
    document = parse_document({**order, "names": ["d.example"]}, "o-1")
    named = OrderDocument(replace(document.order, id="o-2"), (), NameList((change(step),)), Scope.SUBDOMAINS)
    bundle = builder.folder / "bundle"
    write_bundle(SignedVersion(5, 6, NOW, (document, named), "cd" * 32), bundle)
    return Content(bundle, "ab" * 32)


def test_names_of_a_list_are_listed_in_its_scope(builder: Builder) -> None:
    built = builder.build(Candidate(signed(), listing(builder), None))
    assert not built.refused
    assert [record.names for record in builder.catalogue().orders] == [1, 3]
    assert builder.listed("x.b.example") == "ministry/o-2"
    assert builder.listed("b.example") == ""
    assert builder.listed("d.example") == "ministry/o-1"


def test_examples_are_taken_from_the_text(builder: Builder) -> None:
    found = examples(Candidate(signed(), listing(builder), None))
    assert found == [key_from_text(name) for name in ("d.example", *NAMES)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda step: replace(step, sha256="0" * 64), "missing"),
        (lambda step: replace(step, size=step.size + 1), "cut"),
        (lambda step: replace(step, size=step.size - 1), "format"),
        (lambda step: replace(step, count=step.count - 1), "format"),
    ],
)
def test_a_text_that_is_not_what_its_order_says_is_refused(
    builder: Builder, change: Callable[[ListStep], ListStep], reason: str
) -> None:
    built = builder.build(Candidate(signed(), listing(builder, change), builder.bundle(o=["x.example"])))
    assert reasons(built) == {"ministry": reason}
    assert builder.listed("x.example") == "ministry/o"


def test_text_that_has_changed_on_the_disk_since_it_was_brought_is_refused(builder: Builder) -> None:
    content = listing(builder)
    (text,) = (builder.folder / "lists").iterdir()
    text.write_bytes(text.read_bytes().replace(b"b.example", b"c.example"))
    built = builder.build(Candidate(signed(), content, builder.bundle(o=["x.example"])))
    assert reasons(built) == {"ministry": "signature"}
    assert builder.listed("x.c.example") == ""
    assert builder.listed("x.example") == "ministry/o"


def test_kept_text_that_has_changed_on_the_disk_is_never_compiled(builder: Builder) -> None:
    content = listing(builder)
    (text,) = (builder.folder / "lists").iterdir()
    text.write_bytes(text.read_bytes().replace(b"b.example", b"c.example"))
    built = builder.build(Candidate(signed(), None, content))
    assert (built.header, reasons(built)) == (None, {"ministry": "signature"})


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)
