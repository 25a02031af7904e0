from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.names import key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.publish.documents import Checked, check_documents
from blockd.publish.lint import Rules, publishers_guard
from blockd.ruleset.gate.guard import Guard
from blockd.settings import GateSettings
from tests.publish.staging import read_documents

Document = dict[str, object]


def taken(order: Document, rules: Rules | None = None, **change: object) -> Checked:
    return check_documents([("order", {**order, **change})], rules or Rules())


def problems(order: Document, rules: Rules | None = None, **change: object) -> str:
    with pytest.raises(PublishError) as caught:
        taken(order, rules, **change)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("co.id", "a public suffix"),
        ("github.io", "a public suffix"),
        ("icann.org", "a protected name"),
        ("kominfo.go.id", "a protected name"),
        ("com", "a top-level name"),
    ],
)
def test_name_that_must_not_be_blocked_is_refused_with_its_place(order: Document, name: str, why: str) -> None:
    told = problems(order, names=["chat.example.net", name])
    assert "order: names[1]: " in told
    assert why in told


@pytest.mark.parametrize("name", ["co.id", "icann.org"])
@pytest.mark.parametrize("action", ["allow", "monitor"])
def test_order_that_blocks_nothing_may_name_anything(order: Document, name: str, action: str) -> None:
    assert taken(order, action=action, names=[name]).documents


def test_name_above_a_protected_one_is_refused_where_its_scope_covers_it(order: Document) -> None:
    rules = Rules(Guard.of(parse_suffixes("net\n*\n"), [key_from_text("www.example.net")], (), "x"))
    assert "or above one" in problems(order, rules, names=["example.net"])
    assert "or above one" in problems(order, rules, names=[{"name": "example.net", "scope": "subdomains"}])
    assert taken(order, rules, names=[{"name": "example.net", "scope": "exact"}]).documents


def test_popular_names_are_no_reason_to_refuse_an_order(tmp_path: Path, order: Document) -> None:
    (tmp_path / "popular").write_text("telegram.org\n")
    settings = GateSettings.model_validate({"popular": str(tmp_path / "popular")})
    assert taken(order, Rules(publishers_guard(settings)), names=["telegram.org"]).documents


def test_own_protected_names_count_and_public_suffixes_always_do(tmp_path: Path, order: Document) -> None:
    (tmp_path / "own").write_text("own.example\n")
    settings = GateSettings.model_validate({"protected": [str(tmp_path / "own")], "public_suffixes": False})
    rules = Rules(publishers_guard(settings))
    told = problems(order, rules, names=["own.example", "co.id", "icann.org"])
    assert "names[0]: own.example" in told
    assert "names[1]: co.id" in told
    assert "icann.org" not in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"review_by": "2027-01-01", "expires": "2026-12-31"}, "review_by: is later than expires"),
        ({"contcat": "x"}, "contcat: is not a field of an order; did you mean contact?"),
        ({"_salt": "00"}, "_salt: is not a field"),
        ({"role": "a"}, "role: is not a field"),
        ({"lifted_reason": "x"}, "both are required if an order is lifted"),
        ({"names": ["192.0.2.0/8"]}, "names[0]"),
        (
            {"names": ["a.example", "b.example", "A.example"]},
            "names[2]: a.example is listed twice; it is also names[0]",
        ),
    ],
)
def test_mistake_is_told_with_its_field(order: Document, change: Document, told: str) -> None:
    assert told in problems({**order, **change})


def test_mistakes_in_what_is_covered_and_in_the_rest_are_told_together(order: Document) -> None:
    told = problems(order, authority="", contact=None, names=["co.id", "no name"], expires="2025-01-01")
    for piece in ("authority: is missing", "contact: is missing", "names[0]: co.id", "names[1]:", "expires: is not"):
        assert piece in told


def test_name_covered_by_another_is_a_warning(order: Document) -> None:
    checked = taken(order, names=["a.b.example", "b.example", {"name": "c.example", "scope": "exact"}, "d.c.example"])
    assert [warning for warning in checked.warnings if "covered" in warning] == [
        "order: names: 1 are covered by other names of this order already: a.b.example by b.example"
    ]


def test_order_by_law_without_who_decided_is_a_warning(order: Document) -> None:
    assert "decided_by: is missing" in " ".join(taken(order).warnings)
    assert not taken(order, decided_by="The Minister").warnings
    assert not taken(order, legal_basis=None, mandate="operator").warnings


def test_a_contact_that_browsers_cannot_lead_to_is_a_warning(order: Document) -> None:
    told = (
        "order: contact: has no mail address, and no telephone number with + and its country's code; browsers that "
        "explain the block lead nobody there"
    )
    for contact in ("https://court.example/objections", "021 555 0123", "Ministry, Jakarta"):
        assert list(taken(order, decided_by="The Minister", contact=contact).warnings) == [told]
    for contact in ("https://court.example/, objections@court.example", "call +62 21 555 0123"):
        assert not taken(order, decided_by="The Minister", contact=contact).warnings


@pytest.mark.parametrize("value", ["51234567", 51234567])
def test_the_number_of_a_lumen_notice_may_be_written_without_quotes(order: Document, value: object) -> None:
    (content,) = taken(order, lumen_id=value).documents.values()
    assert json.loads(content)["lumen_id"] == "51234567"


def test_a_confidential_order_names_no_lumen_notice_which_has_its_names(order: Document) -> None:
    assert "lumen_id: a confidential order cannot have one" in problems(order, confidential=True, lumen_id="51234567")


def test_authority_is_filled_in_from_the_role_and_has_to_be_the_same(order: Document) -> None:
    rules = Rules(authority="Ministry of Examples")
    assert "expected 'Ministry of Examples'" in problems(order, rules)
    content = taken(order, rules, authority=None).documents["order-1"]
    assert json.loads(content)["authority"] == "Ministry of Examples"


def test_piece_of_a_file_that_cannot_be_read_is_not_repeated(tmp_path: Path) -> None:
    for number, text in enumerate(
        ('names: [secret.example, "x\n', "names:\n - *.secret.example\n", "a: [secret.example")
    ):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        with pytest.raises(PublishError) as caught:
            read_documents([path])
        assert "cannot be parsed as YAML: line" in str(caught.value)
        assert "secret" not in str(caught.value)


def test_hostile_field_names_make_short_problems(order: Document) -> None:
    assert len(problems({**order, "x" * 100_000: 1})) < 500


@pytest.mark.parametrize(
    ("role", "target"), [("a", "lists/b/x"), ("a", "lists/x"), ("", "lists/a/x"), ("a", "lists/a/b/x")]
)
def test_list_outside_of_the_roles_part_is_refused(order: Document, role: str, target: str) -> None:
    del order["names"]
    step = {"target": target, "sha256": "0" * 64, "size": 20, "count": 2}
    told = problems({**order, "list": {"steps": [step]}}, Rules(role=role))
    assert f"list.steps[0].target: expected a file in lists/{role}" in told
    assert taken({**order, "list": {"steps": [step]}}).documents
