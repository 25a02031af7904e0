"""The hash of names in C returns the same as `hashlib`'s."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names.hashed import DIGEST_SIZE

blake2s = pytest.importorskip("blockd.ruleset._blake2s", reason="the native parts were not built")


def expected(key: bytes, message: bytes) -> bytes:
    return hashlib.blake2s(message, key=key, digest_size=DIGEST_SIZE).digest()


@pytest.mark.parametrize("key_size", [1, 16, 31, 32])
def test_every_length_of_a_message(key_size: int) -> None:
    key = bytes(range(100, 100 + key_size))
    message = bytes(range(255))
    assert blake2s.digests(key, message, range(1, 256)) == [expected(key, message[:end]) for end in range(1, 256)]


@given(st.binary(min_size=16, max_size=32), st.binary(min_size=1, max_size=255), st.data())
def test_all_beginnings_of_a_message_at_once(key: bytes, message: bytes, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.sets(st.integers(1, len(message)), min_size=1)))
    assert blake2s.digests(key, message, ends) == [expected(key, message[:end]) for end in ends]


@pytest.mark.parametrize(("key", "ends"), [(b"", [1]), (b"k" * 33, [1]), (b"k", [0]), (b"k", [4]), (b"k", [2, 2])])
def test_what_cannot_be_hashed_is_refused(key: bytes, ends: list[int]) -> None:
    with pytest.raises(ValueError, match=r"octets|behind"):
        blake2s.digests(key, b"abc", ends)
