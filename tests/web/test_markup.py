from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.web.markup import element, filled, linked, text


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "<b>", element("b", "&")) == "<p>&lt;b&gt;<b>&amp;</b></p>"
    assert element("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'


def test_characters_that_turn_or_hide_text_are_left_out() -> None:
    assert text("a\u202eb\x00c\ud800d") == "abcd"


def test_web_and_mail_addresses_become_links() -> None:
    html = linked("See https://a.example/x?y=1&z=2. Or mailto:b@c.example, or d@e.example!")
    assert (
        '<a href="https://a.example/x?y=1&amp;z=2" rel="noreferrer nofollow">https://a.example/x?y=1&amp;z=2</a>.'
        in html
    )
    assert '<a href="mailto:b@c.example" rel="noreferrer nofollow">mailto:b@c.example</a>,' in html
    assert 'href="mailto:d@e.example"' in html


@pytest.mark.parametrize(
    ("sentence", "target"),
    [
        ("https://a.example/x_(y).", "https://a.example/x_(y)"),
        ("(see https://a.example/x_(y)).", "https://a.example/x_(y)"),
        ("(see https://a.example/x)", "https://a.example/x"),
        ("https://a.example/x:)!", "https://a.example/x"),
    ],
)
def test_a_bracket_belongs_to_the_address_that_opens_it(sentence: str, target: str) -> None:
    assert f'<a href="{target}"' in linked(sentence)


def test_no_other_scheme_becomes_a_link() -> None:
    for hostile in ("javascript:alert(1)", "data:text/html,x", "mailto:a@b?bcc=c", "//a.example", "https://"):
        assert "<a" not in linked(hostile)


def test_a_sentence_isolates_its_values() -> None:
    assert filled("To {name}'s", name="<x>") == "To <bdi>&lt;x&gt;</bdi>&#x27;s"


@given(st.text())
def test_nothing_in_a_text_becomes_markup(value: str) -> None:
    for html in (text(value), linked(value).replace('rel="noreferrer nofollow"', "")):
        assert "<" not in html.replace("<a ", "").replace("</a>", "")


@given(st.text(alphabet="htps:/.a@-<>\"' mailo%?&", max_size=80))
def test_nothing_in_a_link_becomes_markup(value: str) -> None:
    html = linked(value)
    assert html.count("<") == 2 * html.count("<a href=")
    assert html.count('"') == 4 * html.count("<a href=")
