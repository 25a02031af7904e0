from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadOrder
from blockd.names import Network, key_from_text
from blockd.orders import Action, Entry, LocalRecord, Mandate, Notice, Order, Scope, parse_document
from blockd.orders.coverage import COVERING, MAX_PROBLEMS
from blockd.orders.fields import MAX_DEPTH, MAX_NOTICES, MAX_TEXT
from blockd.orders.stored import order_to_json, parse_order
from blockd.times import time_from_text, time_text

GOOD: dict[str, Any] = {
    "schema": "1.0",
    "id": "sample-2026-01",
    "authority": "Sample Authority",
    "platform": "Example Messenger",
    "in_force_from": "2026-01-01",
    "names": ["example.net"],
}
FIELDS = [*GOOD, "action", "mandate", "cname", "scope", "notices", "expires", "later"]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40).map(str.strip)
NEEDED = TEXTS.filter(bool)
RECORDS = st.lists(
    st.builds(LocalRecord, st.integers(1, 0xFFFF), st.integers(0, 0x7FFFFFFF), st.binary(max_size=64)),
    min_size=1,
    max_size=64,
)
TIMES = st.integers(time_from_text("0001-01-01"), time_from_text("9999-12-31T23:59:59Z"))


@st.composite
def orders(draw: st.DrawFn) -> Order:
    action = draw(st.sampled_from(Action))
    notices = st.lists(st.builds(Notice, NEEDED, TEXTS, TEXTS, TEXTS), max_size=3)
    known = {*GOOD, *COVERING, "action", "mandate", "cname", "notices", *Order.__slots__}
    return Order(
        id=draw(st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,78}[a-z0-9])?", fullmatch=True)),
        authority=draw(NEEDED),
        platform=draw(NEEDED),
        action=action,
        mandate=draw(st.sampled_from(Mandate)),
        in_force_from=draw(TIMES),
        list_name=draw(st.sampled_from(["", "national"])),
        legal_basis=draw(TEXTS),
        reference=draw(TEXTS),
        summary=draw(TEXTS),
        reported_by=draw(TEXTS),
        assessed_by=draw(TEXTS),
        decided_by=draw(TEXTS),
        language=draw(st.sampled_from(("", "id", "en-GB", "zh-Hant-TW"))),
        lumen_id=draw(st.sampled_from(("", "7", "51234567", "9" * 20))),
        notices=tuple(draw(notices)),
        contact=draw(TEXTS),
        expires=draw(st.none() | TIMES),
        review_by=draw(st.none() | TIMES),
        lifted_on=draw(st.none() | TIMES),
        lifted_reason=draw(TEXTS),
        published=draw(st.none() | TIMES),
        cname=draw(st.sampled_from(["landing.example", "*.landing.example"])) if action is Action.CNAME else "",
        records=tuple(draw(RECORDS)) if action is Action.LOCAL else (),
        unknown=draw(
            st.dictionaries(
                st.text(max_size=8).filter(lambda key: key not in known and not key.startswith("_")),
                JSON_VALUES,
                max_size=3,
            )
        ),
    )


def order_of(**changes: object) -> Order:
    return parse_document({**GOOD, **changes}, "order.json").order


def entries_of(*names: object, **changes: object) -> tuple[Entry, ...]:
    return parse_document({**GOOD, "names": list(names), **changes}, "order.json").entries


def problems_of(document: object) -> tuple[str, ...]:
    with pytest.raises(BadOrder) as refused:
        parse_document(document, "order.json")
    assert str(refused.value).startswith("order.json is not a usable order: ")
    return refused.value.problems


def problem_of(**changes: object) -> str:
    (problem,) = problems_of({**GOOD, **changes})
    return problem


@given(orders())
def test_an_order_comes_back_from_its_document(order: Order) -> None:
    written = json.loads(json.dumps(order_to_json(order)))
    assert parse_order(written, "catalogue") == order


@given(
    st.one_of(
        JSON_VALUES,
        st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES).map(lambda changes: {**GOOD, **changes}),
    )
)
def test_a_hostile_document_is_an_order_or_refused(document: object) -> None:
    problems: tuple[str, ...] = ()
    try:
        parsed = parse_document(document, "order.json")
    except BadOrder as error:
        problems = error.problems
    else:
        assert parse_order(order_to_json(parsed.order), "catalogue") == parsed.order
        return
    assert 0 < len(problems) <= MAX_PROBLEMS
    assert all(len(problem) < 300 for problem in problems)


def test_what_is_not_said_has_its_default() -> None:
    document = parse_document(GOOD, "order.json")
    assert document.entries == (Entry(key_from_text("example.net"), Scope.BOTH),)
    order = document.order
    assert (order.action, order.mandate, order.cname) == (Action.SINKHOLE, None, "")
    assert order.in_force_from == 1_767_225_600
    assert (order.expires, order.review_by, order.lifted_on, order.published) == (None, None, None, None)
    assert order.notices == ()
    assert order.unknown == {}


def test_a_legal_basis_makes_it_a_matter_of_law() -> None:
    assert order_of(legal_basis="Act 1").mandate is Mandate.LAW
    assert order_of(legal_basis="Act 1", mandate="client").mandate is Mandate.CLIENT


def test_all_problems_are_told_at_once() -> None:
    problems = problems_of(
        {
            "schema": "1.0",
            "id": "Not An Id",
            "platform": 7,
            "in_force_from": "yesterday",
            "expires": "2026-02-30",
            "action": "explode",
            "mandate": "whim",
            "names": ["example.net", "org", 5, {"name": "a..b"}, {"scope": "some", "name": "example.org"}],
            "notices": [{"channel": "mail"}],
        }
    )
    fields = [problem.partition(":")[0] for problem in problems]
    assert sorted(fields) == sorted(
        [
            *("id", "authority", "platform", "platform", "in_force_from", "in_force_from", "expires"),
            *("action", "mandate", "names[1]", "names[2]", "names[3]", "names[4].scope", "notices[0].sent"),
        ]
    )


@pytest.mark.parametrize("document", [None, [], "order", 1, [GOOD]])
def test_what_is_no_object_is_refused(document: object) -> None:
    assert problems_of(document) == ("the document is not a JSON object",)


@pytest.mark.parametrize("schema", ["2.0", "0.9", "", "one", None, 10, ["1.0"]])
def test_an_unknown_major_schema_is_refused(schema: object) -> None:
    assert problem_of(schema=schema).startswith("schema: ")


def test_a_document_without_schema_is_refused() -> None:
    (problem,) = problems_of({key: value for key, value in GOOD.items() if key != "schema"})
    assert problem.startswith("schema: ")


def test_unknown_fields_of_a_later_minor_schema_are_kept() -> None:
    order = order_of(schema="1.9", later={"deeply": ["kept", 1]})
    assert order.unknown == {"later": {"deeply": ["kept", 1]}}
    assert order_to_json(order)["later"] == {"deeply": ["kept", 1]}


@pytest.mark.parametrize("identifier", ["", "-a", "a-", ".a", "A", "a b", "a/b", "../a", "é", "a" * 81, 5, None])
def test_an_id_that_is_no_id_is_refused(identifier: object) -> None:
    assert any(problem.startswith("id: ") for problem in problems_of({**GOOD, "id": identifier}))


@pytest.mark.parametrize("identifier", ["a", "0", "a.b_c-d", "a" * 80])
def test_ids_up_to_80_characters_are_taken(identifier: str) -> None:
    assert order_of(id=identifier).id == identifier


@pytest.mark.parametrize("field", ["authority", "platform", "in_force_from"])
@pytest.mark.parametrize("value", ["", None])
def test_what_is_needed_may_not_be_missing(field: str, value: object) -> None:
    assert any(problem == f"{field}: is missing" for problem in problems_of({**GOOD, field: value}))


@pytest.mark.parametrize("field", ["summary", "reference", "contact", "legal_basis", "decided_by", "lifted_reason"])
def test_a_text_has_a_type_and_a_limit(field: str) -> None:
    assert problem_of(**{field: ["text"]}).startswith(f"{field}: ")
    assert problem_of(**{field: "x" * (MAX_TEXT + 1)}).startswith(f"{field}: ")
    assert getattr(order_of(**{field: f" {'x' * (MAX_TEXT - 2)} "}), field) == "x" * (MAX_TEXT - 2)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\0b", "\x9b1m", "half \ud800 pair"])
def test_a_text_that_could_steer_a_terminal_or_break_a_file_is_refused(text: str) -> None:
    assert problem_of(summary=text) == "summary: control characters are not allowed"
    assert problem_of(notices=[{"sent": text}]) == "notices[0].sent: control characters are not allowed"


def test_a_text_of_several_lines_is_taken() -> None:
    assert order_of(summary="first\n\tsecond\r\nthird").summary == "first\n\tsecond\r\nthird"


@pytest.mark.parametrize("field", ["in_force_from", "expires", "review_by", "lifted_on", "published"])
@pytest.mark.parametrize("value", ["soon", "2026-13-01", "2026-02-29", "2026-01-01T25:00:00Z", True, {}, [], 1.5])
def test_a_date_that_is_no_date_is_refused(field: str, value: object) -> None:
    assert any(problem.startswith(f"{field}: ") for problem in problems_of({**GOOD, field: value}))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 0),
        ("2017-07-14", 1_499_990_400),
        ("2017-07-14T04:30:00Z", 1_500_006_600),
        ("2017-07-14T11:30:00+07:00", 1_500_006_600),
        ("2017-07-14T04:30:00.999Z", 1_500_006_600),
        ("1969-12-31T23:59:59Z", -1),
    ],
)
def test_dates_are_utc_where_they_name_no_zone(text: str, seconds: int) -> None:
    assert time_from_text(text) == seconds
    assert time_from_text(time_text(seconds)) == seconds


@given(TIMES)
def test_every_date_comes_back_from_its_text(seconds: int) -> None:
    assert time_from_text(time_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_date_that_utc_cannot_write_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        time_from_text(text)
    assert problem_of(expires=text).startswith("expires: ")


@pytest.mark.parametrize(("field", "value"), [("action", "block"), ("action", None), ("mandate", 1), ("scope", "all")])
def test_a_word_that_is_none_of_the_few_is_refused(field: str, value: object) -> None:
    assert problem_of(**{field: value}).startswith(f"{field}: {value!r} is not one of ")


def test_names_have_the_scope_of_the_document_or_their_own() -> None:
    found = entries_of("a.example", {"name": "b.example", "scope": "exact"}, {"name": "c.example"}, scope="subdomains")
    assert [(entry.text, entry.scope) for entry in found] == [
        ("a.example", Scope.SUBDOMAINS),
        ("b.example", Scope.EXACT),
        ("c.example", Scope.SUBDOMAINS),
    ]


@pytest.mark.parametrize("names", [None, [], "example.net", {"example.net": 1}, 5])
def test_an_order_without_a_list_of_names_is_refused(names: object) -> None:
    assert problem_of(names=names).startswith("names: ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("org", "a top-level name"),
        ("org.", "a top-level name"),
        ("", "empty"),
        ("a..example", "empty label"),
        ("a" * 64 + ".example", "label too long"),
        ("a." * 130 + "example", "too long"),
        ("☃\u200d.example", "bad IDNA"),
        ("8.8.0.0/15", "network too wide"),
        ("0.0.0.0/0", "network too wide"),
        ("2600::/31", "network too wide"),
        ("10.0.0.0/16", "network is not public"),
        ("127.0.0.1", "network is not public"),
        ("192.168.1.0/24", "network is not public"),
        ("100.64.0.1", "network is not public"),
        ("169.254.0.0/16", "network is not public"),
        ("::1", "network is not public"),
        ("fe80::/64", "network is not public"),
        ("2001:db8::/32", "network is not public"),
        ("8.8.8.8/24", "bad network"),
        ("8.8.8.0/255.255.255.0", "bad network"),
    ],
)
def test_what_cannot_be_an_entry_is_refused_with_its_reason(name: str, reason: str) -> None:
    problem = problem_of(names=["example.net", name])
    assert problem.startswith("names[1]: ")
    assert problem.endswith(f" cannot be an entry: {reason}")


@pytest.mark.parametrize("text", ["8.8.8.8", "8.8.0.0/16", "2606:4700::/32", "2606:4700::1111"])
def test_public_networks_are_entries(text: str) -> None:
    (entry,) = entries_of(text)
    assert entry.key == Network.from_text(text).key
    assert entry.text == text


def test_a_unicode_name_is_an_entry() -> None:
    assert entries_of("Bücher.example") == (Entry(key_from_text("xn--bcher-kva.example")),)


def test_the_action_cname_and_a_target_go_together() -> None:
    assert order_of(action="cname", cname="landing.example").cname == "landing.example"
    assert problem_of(action="cname").startswith("cname: ")
    assert problem_of(cname="landing.example").startswith("cname: ")
    assert (
        problem_of(action="cname", cname="not a name")
        == "cname: expected a domain name, got 'not a name': bad character"
    )


def test_notices_are_kept_in_order() -> None:
    order = order_of(notices=[{"sent": "2017-03-01", "channel": "mail", "text": "Please", "answer": "No", "more": 1}])
    assert order.notices == (Notice("2017-03-01", "mail", "Please", "No"),)
    assert problem_of(notices={}).startswith("notices: ")
    assert problem_of(notices=[{"sent": "x"}] * (MAX_NOTICES + 1)).startswith("notices: ")
    assert problem_of(notices=["late"]).startswith("notices[0]: ")
    assert problem_of(notices=[{"sent": " "}]) == "notices[0].sent: is missing"


def test_a_file_full_of_mistakes_is_told_within_bounds() -> None:
    assert len(problems_of({**GOOD, "names": ["x"] * 1000, "notices": [{}] * 500})) == MAX_PROBLEMS
    assert len(problem_of(action="x" * 100_000)) < 300
    assert len(problem_of(names=["!" * 100_000])) < 300


def nested(depth: int) -> object:
    value: object = "deep"
    for _ in range(depth):
        value = [value]
    return value


def test_a_document_nested_too_deeply_is_refused() -> None:
    assert order_of(later=nested(MAX_DEPTH - 1)).unknown["later"] == nested(MAX_DEPTH - 1)
    assert "nested more than" in problem_of(later=nested(MAX_DEPTH))
    assert "nested more than" in problem_of(names=nested(100_000))


def test_a_list_that_holds_itself_is_refused() -> None:
    circle: list[object] = []
    circle += [circle, circle]
    assert "nested more than" in problem_of(later=circle)


@pytest.mark.parametrize("action", ["passthru", "local"])
def test_what_only_zones_do_is_no_action_that_an_authority_signs(action: str) -> None:
    assert problem_of(action=action) == f"action: {action} is allowed in the rules of a policy zone only"


def test_a_signed_document_with_records_keeps_them_as_a_field_it_does_not_know() -> None:
    order = order_of(records=[[1, 60, "c0000201"]])
    assert (order.records, order.unknown) == ((), {"records": [[1, 60, "c0000201"]]})
    assert parse_order(order_to_json(order), "catalogue") == order


@pytest.mark.parametrize(
    "records",
    [None, [], [1], [[1, 2]], [[0, 60, ""]], [[1, -1, ""]], [[1, 60, "x"]], [[1, 60, "00" * 4097]], [[1, 60, ""]] * 65],
)
def test_records_that_cannot_be_read_are_told(records: object) -> None:
    with pytest.raises(BadOrder) as refused:
        parse_order({**GOOD, "action": "local", "records": records}, "catalogue")
    assert [problem for problem in refused.value.problems if problem.startswith("records: cannot be read")]


@pytest.mark.parametrize("value", ["Indonesian language", "x", "id_ID", "-", "id-", "a" * 9, "id" + "-abcdefgh" * 4, 7])
def test_what_is_no_language_tag_is_refused(value: object) -> None:
    assert problem_of(language=value).startswith("language: expected ")


@pytest.mark.parametrize("value", ["", " 51234567 ", "0", "9" * 20])
def test_the_number_of_a_lumen_notice_is_kept_as_text(value: str) -> None:
    order = order_of(lumen_id=value)
    assert order.lumen_id == value.strip()
    assert parse_order(order_to_json(order), "catalogue") == order


@pytest.mark.parametrize(
    "value", [51234567, "x", "9" * 21, "5123 4567", "-1", "٣", "https://lumendatabase.org/notices/1"]
)
def test_what_is_no_number_of_a_notice_is_refused(value: object) -> None:
    assert problem_of(lumen_id=value).startswith("lumen_id: expected ")
