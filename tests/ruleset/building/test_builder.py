from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import RulesetError
from blockd.names import DomainName, key_from_text
from blockd.native import ENGINE
from blockd.orders import Scope
from blockd.ruleset import FeedInput, Listing, Ruleset, compile_ruleset
from blockd.ruleset.building.builder import Builder
from blockd.ruleset.building.claims import ClaimSets, Joins
from blockd.ruleset.format import BUCKET_SIZE
from tests.ruleset.lists import NOW, feed, listing, octets, order, some_names
from tests.ruleset.test_policy import feeds

pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")

from blockd.ruleset.building import _builder
from tests.effort import tries

HASH_KEY = bytes(range(16))
ROOM = 1 << 20  # octets of records, more than any of these tests needs


def joins() -> Joins:
    return Joins(ClaimSets(), 0, Scope.BOTH, frozenset({0}))


def started(max_size: int = ROOM) -> _builder.Builder:
    builder = _builder.Builder(HASH_KEY, max_size)
    builder.start(joins())
    return builder


def no_progress(done: int, total: int) -> None:
    pass


def taken(block: bytes) -> list[bytes]:
    """Return the keys that the C builder takes from a block, up to the first line that needs care."""
    builder = started()
    stopped, lines = builder.add_lines(block, 0)
    assert block[:stopped].count(b"\n") == lines
    _, records = builder.finish(no_progress)
    keys = []
    while records:
        keys.append(bytes(records[5 : 5 + records[4]]))
        del records[: 5 + records[4]]
    return keys


def file_of(engine: str, inputs: Iterable[FeedInput]) -> bytes:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, engine)
        path = Path(folder) / "r"
        compile_ruleset(list(inputs), path, created=NOW, randomness=octets)
        return path.read_bytes()


@settings(max_examples=tries(40, 1000))
@given(feeds())
def test_both_builders_write_the_same_file(inputs: list[FeedInput]) -> None:
    assert file_of("native", inputs) == file_of("python", inputs)


def test_many_names_and_full_buckets_make_the_same_file() -> None:
    names = list(some_names(20_000))
    one, two = order("one"), order("two")
    inputs = [feed("f", listing(one, *names), listing(two, *names[::3], "8.0.0.0/8", "2600::/32", scope=Scope.EXACT))]
    assert file_of("native", inputs) == file_of("python", inputs)


def test_more_sets_of_claims_than_are_remembered_make_the_same_file() -> None:
    names = list(some_names(2500))
    own = [order(f"o-{number}") for number in range(len(names))]
    single = [listing(subject, name) for subject, name in zip(own, names, strict=True)]
    everything = [listing(order("all"), *names, *names[::-1]), listing(order("half"), *names[::2], *names[::2])]
    inputs = [feed("f", *single, *everything), feed("g", listing(order("again"), *names[::5]), priority=60)]
    assert file_of("native", inputs) == file_of("python", inputs)


def test_a_file_made_in_c_is_read_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "native")
    keys = [key_from_text(name) for name in some_names(5000)]
    subject = order("o")
    inputs = FeedInput("f", "domains", 50, "", [subject], [Listing(subject, Scope.BOTH, keys * 2)])
    header = compile_ruleset([inputs], tmp_path / "r", created=NOW, randomness=octets)
    ruleset = Ruleset.open(tmp_path / "r")
    assert ruleset.header == header
    assert (header.entries, header.names, header.max_labels) == (5000, 5000, 2)
    assert [key for key, _ in ruleset.entries()] == keys
    assert all(ruleset.claims(key) for key in keys)
    assert not any(ruleset.claims(key_from_text(f"x{name}")) for name in some_names(5000))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"a.b", "a.b"),
        (b"Web.Telegram.ORG", "web.telegram.org"),
        (b"a.example.", "a.example"),
        (b"a.example\r", "a.example"),
        (b"*.a.example.\r", "a.example"),
        (b"_x.a--b.xn--p1ai", "_x.a--b.xn--p1ai"),
        (b"1.2.3.4.example", "1.2.3.4.example"),
        (b"a.1x", "a.1x"),
        (b"-a.b", "-a.b"),
        (b"a-.-b", "a-.-b"),
        (b"a.b-", "a.b-"),
        (b"a" * 63 + b".example", "a" * 63 + ".example"),
        (b".".join([b"a" * 63] * 3 + [b"b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
        (b"1." * 126 + b"x", "1." * 126 + "x"),
    ],
)
def test_plain_names_are_taken_from_text(line: bytes, name: str) -> None:
    assert [DomainName(key).text for key in taken(b"x.example\n" + line + b"\ny.example\n")] == [
        "x.example", name, "y.example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\r", b".", b"*.", b"*", b"-", b"com", b"com.", b"*.com", b"a..b", b".a.b", b"a.b..", b"*.*.a.b",
        b"a.*.b", b"a.1", b"a.12", b"10.0.0.1", b"a.b\r\r", b" a.b", b"a.b ",
        b"a.b #", b"#a.b", b"a.b:80", b"a.b/", b"\xef\xbb\xbfa.b", "ü.b".encode(), b"a.b\0", b"\0\0\0",
        b"a\rb.c", b"a.\r", b"a" * 64 + b".b", b".".join([b"a" * 63] * 3 + [b"b" * 62]), b"a." * 127 + b"b",
        b"a." * 5000 + b"b", b"a" * 300,
    ],
)  # fmt: skip
def test_whatever_else_is_left_to_care(line: bytes) -> None:
    builder = started()
    block = b"x.example\n" + line + b"\ny.example\n"
    assert builder.add_lines(block, 0) == (10, 1)
    assert builder.add_lines(block, 10) == (10, 0)
    assert builder.add_lines(block, 11 + len(line)) == (len(block), 1)
    assert builder.new() == (2, 2)


@given(st.binary(max_size=300).map(lambda octets: octets.replace(b"\xaa", b"\n") + b"\n"), st.integers(0, 301))
def test_no_octets_are_taken_that_are_no_name(block: bytes, start: int) -> None:
    builder = started()
    if start > len(block):
        with pytest.raises(ValueError, match="whole lines"):
            builder.add_lines(block, start)
        return
    stopped, lines = builder.add_lines(block, start)
    assert start <= stopped <= len(block)
    text = block[start:stopped].decode("ascii")
    assert lines == text.count("\n")
    keys = {key_from_text(line.removesuffix("\r").removeprefix("*.")) for line in text.split("\n")[:-1]}
    builder.finish(no_progress)
    assert builder.entries == builder.names == len(keys)


def test_a_name_in_several_forms_is_one() -> None:
    assert len(taken(b"a.example\nA.EXAMPLE.\n*.a.example\r\na.example\n" * 20)) == 1


def test_names_within_a_batch_and_over_batches_are_told_apart() -> None:
    names = [f"host-{number}.example\n" for number in range(3000)]
    block = "".join(names + names[::-1]).encode()
    assert taken(block) == [key_from_text(name.strip()) for name in names]


@pytest.mark.parametrize("key", [b"", b"\0", bytes(256), bytes(5000)])
def test_keys_that_no_record_holds_are_refused(key: bytes) -> None:
    builder = started()
    with pytest.raises(ValueError, match="255 octets"):
        builder.add_keys([key])


@pytest.mark.parametrize("key", [None, "a.example", 7, bytearray(b"\x01a\x01b")])
def test_keys_that_are_no_bytes_are_refused(key: bytes) -> None:
    with pytest.raises(TypeError):
        started().add_keys([key])


def test_a_key_that_is_no_names_is_walked_within_its_octets() -> None:
    builder = started()
    builder.add_keys([b"\x3f\x01", b"\xf3" + bytes(20), b"\x01a\x3f"])
    builder.finish(no_progress)
    assert builder.entries == 3


@pytest.mark.parametrize(("block", "start"), [(b"a.b", 0), (b"a.b\nc", 0), (b"a.b\n", 5), (b"a.b\n", -1), (b"", 1)])
def test_blocks_that_end_within_a_line_are_refused(block: bytes, start: int) -> None:
    with pytest.raises(ValueError, match="whole lines"):
        started().add_lines(block, start)


def test_no_block_holds_no_line() -> None:
    assert started().add_lines(b"", 0) == (0, 0)


@pytest.mark.parametrize("hash_key", [b"", bytes(15), bytes(17)])
def test_hash_keys_of_another_size_are_refused(hash_key: bytes) -> None:
    with pytest.raises(ValueError, match="16 octets"):
        _builder.Builder(hash_key, ROOM)


def test_records_that_an_offset_does_not_reach_are_refused_before_they_are_written() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        _builder.Builder(HASH_KEY, (1 << 32) + 1)
    builder = started(max_size=29)
    builder.add_lines(b"a.example\n" * 500, 0)  # 15 octets, once
    with pytest.raises(RulesetError, match="more than the format's 29 octets"):
        builder.add_lines(b"b.example\n", 0)
    assert started(max_size=30).add_lines(b"a.example\nb.example\n", 0) == (20, 2)


@pytest.mark.parametrize("cls", [Builder, _builder.Builder])
def test_over_the_limit_is_refused_by_both(cls: type[Builder] | type[_builder.Builder]) -> None:
    builder = cls(HASH_KEY, 29)
    builder.start(joins())
    with pytest.raises(RulesetError, match="more than the format's 29 octets"):  # noqa: PT012 - the one or the other
        builder.add_keys([key_from_text("a.example"), key_from_text("b.example")])
        builder.finish(no_progress)


def test_nothing_is_added_before_a_listing_or_after_the_end() -> None:
    builder = _builder.Builder(HASH_KEY, ROOM)
    with pytest.raises(ValueError, match="no listing"):
        builder.add_lines(b"a.b\n", 0)
    with pytest.raises(ValueError, match="no listing"):
        builder.add_keys([b"\x01b\x01a"])
    table, records = builder.finish(no_progress)
    assert (len(table), len(records)) == (BUCKET_SIZE, 0)
    builder.start(joins())
    for again in (
        lambda: builder.add_lines(b"a.b\n", 0),
        lambda: builder.add_keys([]),
        lambda: builder.finish(no_progress),
    ):
        with pytest.raises(ValueError, match="finished"):
            again()


def test_names_of_a_listing_that_broke_off_do_not_count_for_the_next() -> None:
    def broken() -> Iterable[bytes]:
        yield key_from_text("a.example")
        raise KeyError

    builder = started()
    with pytest.raises(KeyError):
        builder.add_keys(broken())
    builder.start(joins())
    builder.add_keys([key_from_text("b.example")])
    assert builder.new() == (1, 1)
    builder.finish(no_progress)
    assert builder.entries == 1


def test_an_error_while_claims_are_joined_comes_out() -> None:
    class Failing(Joins):
        def __missing__(self, place: int) -> object:  # type: ignore[override]
            raise KeyError(place)

    claims = ClaimSets()
    builder = _builder.Builder(HASH_KEY, ROOM)
    builder.start(Joins(claims, 0, Scope.BOTH, frozenset({0})))
    builder.add_lines(b"a.example\n", 0)
    builder.start(Failing(claims, 1, Scope.BOTH, frozenset({1})))
    with pytest.raises(KeyError):
        builder.add_lines(b"b.example\na.example\n", 0)
