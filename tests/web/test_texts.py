from __future__ import annotations

from string import Formatter

from blockd.web.texts import TEXTS, date_text


def _places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert TEXTS["en"].keys() == TEXTS["id"].keys()


def test_both_languages_have_the_same_places() -> None:
    for key, template in TEXTS["en"].items():
        assert _places(template) == _places(TEXTS["id"][key]), key


def test_a_date_is_written_as_people_write_it() -> None:
    assert date_text(1_499_990_400, "en") == "14 July 2017"
    assert date_text(1_499_990_400, "id") == "14 Juli 2017"
    assert date_text(1_500_006_600, "en") == "14 July 2017, 04:30 UTC"
    assert date_text(1_500_006_600, "id") == "14 Juli 2017 pukul 04:30 UTC"
