"""Conditional requests, by every shape that RFC 9110 allows for the fields, and by those that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.web.api.conditions import NamedTags, named_tags
from blockd.web.console.assets import assets
from tests.web.api.asking import Ask, served
from tests.web.test_admin import Daemon, Told

BODY = {"end": {"name": "a.example", "reason": "why"}}


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([], None),
        ([""], NamedTags()),
        ([" , ,"], NamedTags()),
        (["*"], NamedTags(is_any=True)),
        ([" * "], NamedTags(is_any=True)),
        (['"*"'], NamedTags(frozenset("*"))),
        (['"a"'], NamedTags(frozenset("a"))),
        (['W/"a","b" , ,"c,d"'], NamedTags(frozenset(("b", "c,d")), frozenset("a"))),
        (['"a"', "", 'W/"b"'], NamedTags(frozenset("a"), frozenset("b"))),
        (['""'], NamedTags(frozenset(("",)))),
        (['"\udcff\xe9"'], NamedTags(frozenset(("\udcff\xe9",)))),
        *(
            ([wrong], NamedTags(is_wrong=True))
            for wrong in ("a", '"a', 'a"', '"a" "b"', '"a", b', '*, "a"', "*,*", 'w/"a"', '"a b"', 'W/ "a"')
        ),
    ],
)
def test_a_field_names_what_it_lists(lines: list[str], named: NamedTags | None) -> None:
    assert named_tags(lines) == named


@given(st.lists(st.from_regex(r'(W/)?"[!#-~]{0,8}"', fullmatch=True), max_size=6), st.lists(st.text(), max_size=3))
def test_any_list_of_tags_is_read_and_any_other_text_names_none(tags: list[str], texts: list[str]) -> None:
    named = named_tags([", ".join(tags)])
    assert named is not None
    strong = frozenset(tag[1:-1] for tag in tags if not tag.startswith("W/"))
    weak = frozenset(tag[3:-1] for tag in tags if tag.startswith("W/"))
    assert (named.strong, named.weak) == (strong, weak)
    odd = named_tags(texts)
    assert odd is None or not (odd.is_wrong and (odd.strong or odd.weak or odd.is_any))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"If_Match": "TAG"}, 200),
        ({"If_Match": "*"}, 200),
        ({"If_Match": ""}, 412),  # a list of no tags is none that fits
        ({"If_Match": '"*"'}, 412),
        ({"If_Match": "W/TAG"}, 412),
        ({"If_Match": "TAG, nonsense"}, 412),
        ({"If_Match": '"other"'}, 412),
        ({"If_None_Match": ""}, 200),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": "*"}, 412),
        ({"If_None_Match": "TAG"}, 412),
        ({"If_None_Match": "W/TAG"}, 412),
        ({"If_None_Match": "nonsense"}, 412),
        ({"If_Match": "TAG", "If_None_Match": "TAG"}, 412),
        ({"If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),  # nothing here has a date of its last change
    ],
)
def test_a_change_is_made_only_for_what_it_names(headers: Mapping[str, str], status: int) -> None:
    daemon = Daemon()

    async def use(ask: Ask) -> None:
        tag = (await ask("GET", "/api/v1/overrides")).headers["ETag"]
        sent = {name: value.replace("TAG", tag) for name, value in headers.items()}
        answer = await ask("POST", "/api/v1/override", BODY, **sent)
        assert (answer.status, len(daemon.overridden)) == (status, int(status == 200))
        if status == 412:
            assert str(answer.json["detail"]).endswith("nothing was changed.")

    served(daemon, use)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"If_Match": "*"}, 200), ({"If_Match": ""}, 412), ({"If_Match": '"a"'}, 412), ({"If_None_Match": "*"}, 412)],
)
def test_a_command_that_rests_on_nothing_has_no_tag(headers: Mapping[str, str], status: int) -> None:
    daemon = Daemon()

    async def use(ask: Ask) -> None:
        assert (await ask("POST", "/api/v1/cache/flush", {"all": True}, **headers)).status == status
        assert len(daemon.flushed) == int(status == 200)

    served(daemon, use)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_Match": "TAG"}, 200),
        ({"If_Match": '"other"'}, 412),
        ({"If_Match": ""}, 412),
        ({"If_None_Match": "W/TAG"}, 304),
        ({"If_None_Match": '"a,b", TAG'}, 304),
        ({"If_None_Match": ""}, 200),
        ({"If_None_Match": "TAG nonsense"}, 200),
        ({"If_Match": '"other"', "If_None_Match": "TAG"}, 412),
        ({"If_Modified_Since": "nonsense", "If_Range": '"x"', "Range": "bytes=0-1"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_question_is_answered_for_what_it_names(headers: Mapping[str, str], status: int, method: str) -> None:
    async def use(ask: Ask) -> None:
        tag = (await ask("GET", "/api/v1/overrides")).headers["ETag"]
        sent = {name: value.replace("TAG", tag) for name, value in headers.items()}
        assert (await ask(method, "/api/v1/overrides", **sent)).status == status

    served(Daemon(), use)


@pytest.mark.parametrize("wrong", ["", '"other"', "TAG nonsense"])
def test_a_file_of_the_console_is_sent_unless_its_tag_is_named(wrong: str) -> None:
    async def use(ask: Ask) -> None:
        path = assets().path("icon-ok.svg")
        tag = (await ask("GET", path)).headers["ETag"]
        assert (await ask("GET", path, If_None_Match=f"W/{tag}")).status == 304
        assert (await ask("GET", path, If_None_Match=wrong.replace("TAG", tag))).status == 200

    served(Daemon(), use)


def test_of_two_changes_at_once_that_rest_on_the_same_one_is_made() -> None:
    class Slow(Daemon):
        async def override(self, kind: str, asked: Mapping[str, str], by: str, /) -> Told:
            await asyncio.sleep(0)  # others get their turn before anything has changed
            self.known_overrides = [{"id": f"L-{len(self.overridden)}"}]
            return await super().override(kind, asked, by)

    daemon = Slow()

    async def use(ask: Ask) -> None:
        tag = (await ask("GET", "/api/v1/overrides")).headers["ETag"]
        answers = await asyncio.gather(*(ask("POST", "/api/v1/override", BODY, If_Match=tag) for _ in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 412, 412, 412]

    served(daemon, use)
    assert len(daemon.overridden) == 1
