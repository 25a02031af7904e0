"""The work of every reader grows with its input's size, whatever the input: calls are counted, not seconds."""

from __future__ import annotations

import pytest

from tests.fuzz.reading import READERS, Reader, calls, tried

SIZE = 2000  # octets
TIMES = 4
BASE = 3000  # calls that do not depend on the input


@pytest.mark.parametrize("reader", READERS, ids=[reader.name for reader in READERS])
def test_no_input_takes_more_work_than_its_size_allows(reader: Reader) -> None:
    small = dict(reader.inputs(SIZE))
    for name, text in reader.inputs(SIZE * TIMES):
        tried(reader, small[name])  # what is found out once, and remembered
        tried(reader, text)
        few, many = calls(reader, small[name]), calls(reader, text)
        growth = len(text) / len(small[name])
        assert many <= few * growth * 1.25 + BASE, name
        assert many <= len(text) * reader.most_calls + BASE, name
