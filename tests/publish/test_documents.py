from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.errors import BadOrder, PublishError
from blockd.orders import parse_document
from blockd.publish.documents import canonical, check_documents
from blockd.publish.lint import FIELDS, Rules
from tests.publish.staging import order_document, read_documents

Document = dict[str, object]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["2026-01-01", "a.example"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FIELDS)), inner, max_size=3),
    max_leaves=8,
)


def written(folder: Path, document: object, name: str = "order.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def refusal(*paths: Path) -> str:
    with pytest.raises(PublishError) as caught:
        read_documents(paths)
    return str(caught.value)


def test_faultless_order_is_taken_as_canonical_json(order_file: Path) -> None:
    documents = read_documents([order_file])
    content = documents["order-1"]
    document = json.loads(content)
    assert document["names"] == ["chat.example.net", {"name": "example.org", "scope": "exact"}]
    assert document["expires"] is None
    assert document["mandate"] == "law"
    assert content == (json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n").encode()


def test_yaml_and_json_give_the_same_document(tmp_path: Path, order_file: Path) -> None:
    text = """
schema: 1.0
id: order-1
authority: Sample Authority
platform: Example Messenger
legal_basis: Sample regulation 1
contact: objections@example.net
in_force_from: 2026-01-01
expires: null
names:
  - CHAT.example.net
  - {name: example.org, scope: exact}
"""
    path = tmp_path / "order.yaml"
    path.write_text(text)
    assert read_documents([path]) == read_documents([order_file])


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("contact", "contact: is missing"),
        ("expires", "state a date, or `expires: null`"),
        ("names", "names: expected a list"),
        ("authority", "authority: is missing"),
    ],
)
def test_forgotten_field_is_refused(tmp_path: Path, order: Document, field: str, told: str) -> None:
    del order[field]
    assert told in refusal(written(tmp_path, order))


def test_order_by_law_without_law_is_refused(tmp_path: Path, order: Document) -> None:
    del order["legal_basis"]
    order["mandate"] = "law"
    assert "legal_basis: is missing" in refusal(written(tmp_path, order))


def test_order_of_an_operator_needs_no_law(tmp_path: Path, order: Document) -> None:
    del order["legal_basis"]
    assert read_documents([written(tmp_path, order)])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"in_force_form": "2026-01-01"}, "in_force_form: is not a field"),
        ({"expires": "2025-01-01"}, "expires: is not later"),
        ({"names": ["example.net", "EXAMPLE.net."]}, "example.net is listed twice"),
        ({"lifted_on": "2026-02-01"}, "both are required if an order is lifted"),
        ({"contact": "  "}, "contact: is missing"),
        ({"names": ["com"]}, "a top-level name"),
        ({"schema": 1.0}, "schema: expected a text"),
    ],
)
def test_slip_of_the_pen_is_refused(tmp_path: Path, order: Document, change: Document, told: str) -> None:
    assert told in refusal(written(tmp_path, {**order, **change}))


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path, order: Document) -> None:
    first = written(tmp_path, {**order, "contact": "", "names": []}, "first.json")
    second = written(tmp_path, {**order, "in_force_from": "soon"}, "second.json")
    third = tmp_path / "third.json"
    third.write_text("{")
    told = refusal(first, second, third, tmp_path / "fourth.yaml")
    for piece in (
        "contact: is missing",
        "names: expected a list",
        "in_force_from: expected an RFC 3339 date",
        "third.json: cannot be parsed as JSON",
    ):
        assert piece in told
    assert "fourth.yaml: cannot be read" in told


def test_two_files_with_one_id_are_refused(tmp_path: Path, order: Document) -> None:
    first, second = written(tmp_path, order, "first.json"), written(tmp_path, order, "second.json")
    assert "is also the id of" in refusal(first, second)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("twice.json", '{"id": "a", "id": "b"}'),
        ("twice.yaml", "id: a\nid: b\n"),
        ("deep.yaml", "[" * 5000),
        ("deep.json", "[" * 100_000),
        ("tag.yaml", "!!python/object/apply:os.getcwd []"),
        ("list.yaml", "- a\n- b\n"),
        ("complex.yaml", "? [a]\n: b\n"),
        ("empty.yaml", ""),
    ],
)
def test_hostile_file_is_refused_with_a_sentence(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert name in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=5), ANYTHING, max_size=6), st.booleans())
def test_whatever_is_in_a_document_it_is_taken_or_refused(order: Document, change: Document, bare: bool) -> None:
    rules = Rules(authority="Sample Authority", role="sample")
    try:
        identifier, content = canonical(change if bare else {**order, **change}, "order", rules)
    except BadOrder:
        return
    assert parse_document(json.loads(content), "order").order.id == identifier
    assert canonical(json.loads(content), "order", rules) == (identifier, content)


def test_document_that_is_large_beside_its_names_is_not_staged() -> None:
    notices = [{"sent": "2026-01-01", "text": "x" * 3_900} for _ in range(20)]
    names = [f"name-{number:04}.example" for number in range(9_000)]
    with pytest.raises(PublishError, match=r"\d+ octets beside its names; 65536 are the limit"):
        check_documents([("o", order_document("o", names) | {"notices": notices})], Rules())
    assert check_documents([("o", order_document("o", names))], Rules()).documents
