from __future__ import annotations

import pytest

from blockd.publish.pasted import names_taken


@pytest.mark.parametrize(
    ("text", "name", "how"),
    [
        ("https://Bad.Example/path?q=1#x", "bad.example", "the name in a URL"),
        ("http://user@bad.example:8080", "bad.example", "the name in a URL"),
        ("bad.example/path", "bad.example", "the name in a name with a path"),
        ("bad.example:443", "bad.example", "the name in a name with a port"),
        ("someone@bad.example", "bad.example", "what stands behind the @"),
        ("||bad.example^", "bad.example", "the name in an ad blocker's rule"),
        ("https://192.0.2.7/x", "192.0.2.7", "the address in a URL"),
    ],
)
def test_the_name_in_what_is_pasted_is_taken_and_told(text: str, name: str, how: str) -> None:
    for item, expected in ((text, name), ({"name": text, "scope": "exact"}, {"name": name, "scope": "exact"})):
        found, [told] = names_taken({"names": ["x.example", item]})
        assert found["names"] == ["x.example", expected]
        assert told == f'names[1]: {name} is taken, {how} in "{text}"'


@pytest.mark.parametrize(
    "text",
    ["bad.example", "Bad.Example.", "192.0.2.0/24", "@@||bad.example^", "not a name", "", "*.bad.example", "com"],
)
def test_what_has_nothing_around_it_or_names_nothing_stays(text: str) -> None:
    assert names_taken({"names": [text]}) == ({"names": [text]}, [])


def test_no_confidential_name_is_repeated() -> None:
    _, [told] = names_taken({"names": ["https://secret.example/x"]}, hidden=True)
    assert told == "names[0]: the name is taken, the name in a URL"


def test_a_hostile_text_is_cut_and_escaped() -> None:
    _, [told] = names_taken({"names": ["https://bad.example/" + "\u202e" * 5_000]})
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize("names", [None, "x", {"a": 1}, [1, None, [], {"name": 3}]])
def test_other_values_stay(names: object) -> None:
    assert names_taken({"names": names}) == ({"names": names}, [])
