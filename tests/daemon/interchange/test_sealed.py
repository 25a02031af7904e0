"""Files in memory with JSON: what is read is what was put there, and anything else is one kind of error."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.channel import DESCRIPTOR
from blockd.daemon.interchange import sealed
from blockd.daemon.reload.checking import CheckedConfig
from blockd.daemon.reload.record import MAX_LETTERS, MAX_OCTETS
from blockd.daemon.shared_gate import HandedGate
from blockd.daemon.upgrade.handover import FORMAT, Handover
from blockd.daemon.upgrade.trial import MAX_VERSION, TrialResult
from blockd.errors import BlockdError

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = {
    "handover": ["version", "back", "request", "sockets", "lock", "children", "rows", "layout", "secrets", "caches"],
    "config": ["problems", "digest", "data", "files", "cookies", "tickets"],
}


def file_of(octets: bytes) -> int:
    descriptor = sealed.made("test")
    sealed.fill(descriptor, octets)
    return descriptor


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@given(JSON)
def test_what_is_put_is_read(values: Any) -> None:
    descriptor = sealed.put("test", values)
    try:
        assert sealed.json_of(descriptor, 1 << 20) == json.loads(json.dumps(values))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'"\xc3"', b"1" * 10_000], ids=lambda octets: octets[:4].hex()
)
def test_what_is_not_json_is_a_value_error(octets: bytes) -> None:
    descriptor = file_of(octets)
    try:
        with pytest.raises(ValueError, match=r"."):
            sealed.json_of(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def test_what_could_still_be_changed_or_is_too_large_or_closed_is_a_value_error() -> None:
    descriptor = sealed.made("test")
    os.write(descriptor, b"{}")
    with pytest.raises(ValueError, match="not sealed"):
        sealed.json_of(descriptor, 10)
    sealed.seal(descriptor)
    assert sealed.members_of(descriptor, 10) == {}
    with pytest.raises(ValueError, match="too large"):
        sealed.json_of(descriptor, 1)
    os.close(descriptor)
    with pytest.raises(ValueError, match="bad file descriptor"):
        sealed.json_of(descriptor, 10)


def handover(descriptor: int) -> None:
    Handover.read(descriptor)


def config(descriptor: int) -> None:
    CheckedConfig.of([{"read": True, DESCRIPTOR: descriptor}]).close()


def gate(descriptor: int) -> None:
    handed = HandedGate(descriptor)
    try:
        handed.gate()
    finally:
        handed.close()


def certificates(descriptor: int) -> None:
    handed = HandedCertificates(descriptor)
    try:
        handed.problems()
        handed.pairs()
    finally:
        handed.close()


@pytest.mark.parametrize("read", [handover, config, gate, certificates])
@given(data=st.data())
def test_whatever_a_process_has_left_is_one_kind_of_error_and_leaves_no_descriptor(
    read: Callable[[int], None], data: st.DataObject
) -> None:
    names = MEMBERS.get(read.__name__, ["pairs", "problems"])
    values = data.draw(JSON | st.fixed_dictionaries(dict.fromkeys(names, JSON)))
    if isinstance(values, dict) and data.draw(st.booleans()):
        values["format"] = FORMAT
    before = open_files()
    descriptor = file_of(b" " * (read is gate) + json.dumps(values).encode())
    with contextlib.suppress(ValueError, BlockdError):
        read(descriptor)
    assert open_files() == before


@given(st.lists(st.dictionaries(st.sampled_from(["trial", "reason"]), JSON)))
def test_what_a_program_says_of_itself_is_a_verdict_or_none(said: list[dict[str, Any]]) -> None:
    verdict = TrialResult.of(said)
    assert verdict is None or all(isinstance(one, str) for one in (verdict.version, *verdict.problems))


@given(st.text(), st.lists(JSON))
def test_a_verdict_is_bounded(version: str, problems: list[Any]) -> None:
    verdict = TrialResult.of([{"trial": {"version": version, "problems": problems * 10}}])
    assert verdict is not None
    assert len(json.dumps(verdict.problems)) <= 2 * MAX_OCTETS
    assert all(len(one) <= MAX_LETTERS + 1 for one in verdict.problems)
    assert "\n" not in verdict.version
    assert len(verdict.version) <= MAX_VERSION
