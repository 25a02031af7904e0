from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.times import moment_from_text, moment_text


def test_moment_is_written_in_utc_to_the_millisecond() -> None:
    assert moment_text(1_795_521_600.2509) == "2026-11-24T12:00:00.250Z"


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_written_moment_is_read_again(milliseconds: int) -> None:
    text = moment_text(milliseconds / 1000)
    assert moment_text(moment_from_text(text)) == text


@pytest.mark.parametrize(
    "text",
    [None, 5, "", "2026-11-24", "2026-11-24 12:00:00.250Z", "2026-11-24T12:00:00Z", "2026-13-24T12:00:00.250Z"],
)
def test_anything_else_is_no_moment(text: object) -> None:
    with pytest.raises(ValueError, match=r"time|month"):
        moment_from_text(text)
