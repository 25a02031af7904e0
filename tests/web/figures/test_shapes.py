"""The shapes of figures are JSON as they are, with the members that the admin API promises."""

from __future__ import annotations

import dataclasses
import json

import pytest

from blockd.web.api.control import JsonResult
from tests.web.figures import examples


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_figure_is_json_without_anything_left_to_convert(example: JsonResult) -> None:
    told = example.to_json()
    assert json.loads(json.dumps(told)) is not None  # raises TypeError for what is no JSON value
    assert set(told) == {field.name for field in dataclasses.fields(example)}  # type: ignore[arg-type]


def test_what_ends_says_in_how_many_seconds() -> None:
    item = examples.ENDING.to_json()["items"]
    assert isinstance(item, list)
    assert item[0]["in"] == 475_200
    assert "seconds" not in item[0]
