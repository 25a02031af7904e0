"""Ruleset files that are cut, damaged or hostile: a RulesetError, or an answer within bounds."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.errors import RulesetError
from blockd.names import key_from_text
from blockd.orders import Action, Scope
from blockd.ruleset import Ruleset
from blockd.ruleset.digest import SIZE, piece_count
from blockd.ruleset.format import HEADER, HEADER_SIZE, FileSection, Header
from tests.ruleset.lists import compiled, enforce, feed, key_of, listing, order, sealed

NAMES = ("a.example", "www.b.example", "c.example", "telegram.org")
NETWORKS = ("8.8.8.0/24", "2600:1::/32")
INNOCENT = ("example", "d.example", "b.example", "wikipedia.org", "x.y.z.example")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "r"
    compiled(
        path,
        feed("first", listing(order("one"), *NAMES, *NETWORKS)),
        feed("second", listing(order("two", Action.ALLOW), NAMES[0], scope=Scope.EXACT), priority=60),
    ).close()
    return path.read_bytes()


def exercise(ruleset: Ruleset) -> None:
    """Look everything up, in every way; a RulesetError is expected, any other error is not."""
    try:
        for name in (*NAMES, *NETWORKS, *INNOCENT):
            with contextlib.suppress(RulesetError):
                for claim in ruleset.claims(key_of(name)):
                    assert claim.order_index < len(ruleset.catalogue.orders)
        with contextlib.suppress(RulesetError):
            for _, claims in ruleset.entries():
                assert claims
        subject = enforce(ruleset)
        for name in (*NAMES, *INNOCENT):
            with contextlib.suppress(RulesetError):
                subject.verdict(key_from_text(name))
                subject.covering(key_from_text(name))
        for packed in (bytes((8, 8, 8, 8)), b"\x26\x00\x00\x01" + bytes(12)):
            with contextlib.suppress(RulesetError):
                subject.address_verdict(packed)
        subject.states.close()
    finally:
        ruleset.close()


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesetError, match="cannot be opened"):
        Ruleset.open(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(RulesetError, match="cannot be opened"):
        Ruleset.open(tmp_path / "empty")
    with pytest.raises(RulesetError, match="cannot be opened"):
        Ruleset.open(tmp_path)


@pytest.mark.parametrize("verify", [True, False])
def test_a_file_cut_anywhere_is_refused(good: bytes, tmp_path: Path, verify: bool) -> None:
    path = tmp_path / "r"
    for size in range(1, len(good)):
        path.write_bytes(good[:size])
        with pytest.raises(RulesetError, match="cannot be used as a ruleset"):
            Ruleset.open(path, verify=verify)


def test_a_longer_file_is_refused(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(good + b"\0")
    with pytest.raises(RulesetError, match="digest"):
        Ruleset.open(tmp_path / "r")


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_a_file_with_any_octet_changed_is_refused(good: bytes, tmp_path: Path, mask: int) -> None:
    path = tmp_path / "r"
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes((good[at] ^ mask,)) + good[at + 1 :])
        with pytest.raises(RulesetError):
            Ruleset.open(path)


@pytest.mark.parametrize("mask", [0x01, 0x04, 0x80, 0xFF])
def test_lookups_in_an_unverified_damaged_file_stay_within_bounds(good: bytes, tmp_path: Path, mask: int) -> None:
    path = tmp_path / "r"
    for at in range(0 if mask == 0x01 else HEADER_SIZE, len(good)):
        path.write_bytes(good[:at] + bytes((good[at] ^ mask,)) + good[at + 1 :])
        try:
            ruleset = Ruleset.open(path, verify=False)
        except RulesetError:
            continue
        for name in INNOCENT:
            with contextlib.suppress(RulesetError):
                ruleset.claims(key_from_text(name))
        for name in (*NAMES, *NETWORKS):
            with contextlib.suppress(RulesetError):
                ruleset.claims(key_of(name))
        with contextlib.suppress(RulesetError):
            list(ruleset.entries())
        ruleset.close()


def header_fields(octets: bytes) -> list[Any]:
    return list(HEADER.unpack_from(octets))


NUMBERS = st.one_of(
    st.integers(0, 300), st.sampled_from([2**16, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1)
)
NUMBER_FIELDS = (*range(6, 9), *range(15, 25))  # created, entries, names, and five sections
SMALL_FIELDS = (1, 2, 3, 10)  # format, header size, flags, most labels


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sealed_file_with_a_hostile_header_is_refused_or_bounded(
    good: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    fields = header_fields(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from((*NUMBER_FIELDS, 9, *SMALL_FIELDS, 13, 14)))
        if at in NUMBER_FIELDS or at == 9:
            fields[at] = data.draw(NUMBERS)
        elif at in SMALL_FIELDS:
            fields[at] = data.draw(st.integers(0, 2**16 - 1))
        else:
            fields[at] = data.draw(st.binary(min_size=len(fields[at]), max_size=len(fields[at])))
    reopen(sealed(HEADER.pack(*fields).ljust(HEADER_SIZE, b"\0") + good[HEADER_SIZE:]), tmp_path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sealed_file_with_hostile_sections_is_refused_or_bounded(
    good: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    octets = bytearray(good)
    header = Header.unpack(good, len(good))
    for _ in range(data.draw(st.integers(1, 4))):
        section = data.draw(st.sampled_from((header.claims, header.table, header.records)))
        at = section.offset + data.draw(st.integers(0, section.size - 1))
        change = data.draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 4, bytes(4), b"\xff" * 64]))
        octets[at : at + len(change)] = change[: section.end - at].ljust(min(len(change), section.end - at), b"\0")
        octets = octets[: len(good)]
    reopen(sealed(bytes(octets)), tmp_path)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value where another value may be put."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("1.0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def with_catalogue(octets: bytes, catalogue: bytes) -> bytes:
    """Replace a file's catalogue."""
    header = Header.unpack(octets, len(octets))
    end = -(-(header.catalogue.offset + len(catalogue)) // 64) * 64
    changed = replace(
        header, catalogue=FileSection(header.catalogue.offset, len(catalogue)), pieces=FileSection(end, 0)
    )
    body = (changed.pack() + octets[HEADER_SIZE : header.catalogue.offset] + catalogue).ljust(end, b"\0")
    pieces = FileSection(end, piece_count(end) * SIZE)
    return sealed(replace(changed, pieces=pieces).pack() + body[HEADER_SIZE:])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sealed_file_with_a_hostile_catalogue_is_refused_or_bounded(
    good: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    header = Header.unpack(good, len(good))
    catalogue = json.loads(good[header.catalogue.offset : header.catalogue.end])
    if data.draw(st.integers(0, 9)) == 0:
        catalogue = data.draw(JSON_VALUES)
    else:
        holder, key = data.draw(st.sampled_from(list(places(catalogue))))
        if isinstance(holder, dict) and data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = data.draw(JSON_VALUES)
    reopen(with_catalogue(good, json.dumps(catalogue).encode()), tmp_path)


@pytest.mark.parametrize(
    "catalogue",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"feeds":[],"orders":[]}',
        b'{"feeds":[],"orders":[{}],"made_from":""}',
    ],
)
def test_a_catalogue_that_is_none_is_refused(good: bytes, tmp_path: Path, catalogue: bytes) -> None:
    (tmp_path / "r").write_bytes(with_catalogue(good, catalogue))
    with pytest.raises(RulesetError, match="catalogue cannot be read"):
        Ruleset.open(tmp_path / "r")


def test_a_catalogue_put_in_unchanged_is_taken(good: bytes, tmp_path: Path) -> None:
    header = Header.unpack(good, len(good))
    (tmp_path / "r").write_bytes(with_catalogue(good, good[header.catalogue.offset : header.catalogue.end] + b" " * 99))
    ruleset = Ruleset.open(tmp_path / "r")
    assert all(ruleset.claims(key_of(name)) for name in (*NAMES, *NETWORKS))
    assert not any(ruleset.claims(key_of(name)) for name in INNOCENT)


def reopen(octets: bytes, folder: Path) -> None:
    path = folder / "r"
    path.write_bytes(octets)
    try:
        ruleset = Ruleset.open(path)
    except RulesetError:
        return
    exercise(ruleset)


def patched(octets: bytes, offset: int, layout: str, *values: int) -> bytes:
    changed = bytearray(octets)
    struct.pack_into(layout, changed, offset, *values)
    return sealed(bytes(changed))


def look_up_all(ruleset: Ruleset) -> None:
    for name in (*NAMES, *NETWORKS):
        ruleset.claims(key_of(name))


def test_hostile_places_are_refused_at_the_lookup(good: bytes, tmp_path: Path) -> None:
    header = Header.unpack(good, len(good))
    path = tmp_path / "r"
    hostile = {
        "claims 11 entries": patched(good, header.table.offset + 60, "<B", 11),
        "an entry lies outside": patched(good, header.table.offset + 20, "<10I", *[2**32 - 1] * 10),
        "a claim set lies outside": patched(good, header.records.offset, "<I", 2**32 - 1),
        "claim set lies outside": patched(good, header.claims.offset, "<I", 2**32 - 1),
        "not in the catalogue": patched(good, header.claims.offset + 4, "<I", 2 << 2 | 3),
    }
    for message, octets in hostile.items():
        path.write_bytes(octets)
        ruleset = Ruleset.open(path)
        with pytest.raises(RulesetError, match=message):
            look_up_all(ruleset)
        ruleset.close()


def test_buckets_that_all_push_on_end_the_lookup(good: bytes, tmp_path: Path) -> None:
    header = Header.unpack(good, len(good))
    path = tmp_path / "r"
    for offset in range(header.table.offset, header.table.end, 64):
        good = patched(good, offset + 60, "<BB", 0, 1)
    path.write_bytes(good)
    assert Ruleset.open(path).claims(key_from_text("a.example")) == ()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (0, b"GARBAGE!", "not a ruleset file"),
        (1, 1, "its format is 1"),
        (2, 128, "its format is 3"),
        (3, 1, "its format is 3"),
        (8, 2**63, "counts contradict"),
        (9, 0, "counts contradict"),
        (9, 2**33, "counts contradict"),
        (13, b"\0\0\0\0\x02\0\0\0", "impossible length"),
        (14, bytes(16) + b"\x02" + bytes(7), "impossible length"),
        (15, 0, "sections do not fit"),
        (15, 257, "sections do not fit"),
        (16, 2**63, "sections do not fit"),
        (20, 5, "impossible size"),
        (24, 2**64 - 1, "sections do not fit"),
    ],
)
def test_each_check_of_the_header_says_what_is_wrong(
    good: bytes, tmp_path: Path, field: int, value: object, message: str
) -> None:
    fields = header_fields(good)
    fields[field] = value
    (tmp_path / "r").write_bytes(sealed(HEADER.pack(*fields).ljust(HEADER_SIZE, b"\0") + good[HEADER_SIZE:]))
    with pytest.raises(RulesetError, match=message) as refused:
        Ruleset.open(tmp_path / "r")
    assert str(refused.value).startswith(f"{tmp_path / 'r'} cannot be used as a ruleset: ")


def test_fewer_most_labels_than_names_have_hide_names_and_no_more(good: bytes, tmp_path: Path) -> None:
    fields = header_fields(good)
    fields[10] = 1
    (tmp_path / "r").write_bytes(sealed(HEADER.pack(*fields).ljust(HEADER_SIZE, b"\0") + good[HEADER_SIZE:]))
    subject = enforce(Ruleset.open(tmp_path / "r"))
    assert not subject.verdict(key_from_text("a.example")).touches


def test_claim_sets_remembered_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.ruleset.mapped._REMEMBERED_SETS", 2)
    orders = [order(f"o-{number}") for number in range(5)]
    ruleset = compiled(tmp_path / "r", feed("f", *(listing(subject, f"{subject.id}.example") for subject in orders)))
    for _ in range(2):
        assert [claims[0].order_index for _, claims in ruleset.entries()] == [0, 1, 2, 3, 4]


def test_a_file_replaced_while_it_is_mapped_still_answers(tmp_path: Path) -> None:
    path = tmp_path / "r"
    old = compiled(path, feed("f", listing(order("o"), "a.example")))
    new = compiled(path, feed("f", listing(order("o"), "b.example")))
    assert old.claims(key_from_text("a.example"))
    assert not old.claims(key_from_text("b.example"))
    assert new.claims(key_from_text("b.example"))
