from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.errors import RulesetError
from blockd.names import DomainName, key_from_text
from blockd.native import ENGINE
from blockd.orders import Action, Scope
from blockd.ruleset import Catalogue, FeedInput, FeedRecord, Listing, Ruleset, compile_ruleset
from blockd.ruleset.building import compiler as compiler_module
from blockd.ruleset.format import BUCKET_SIZE, HEADER_SIZE, MAX_CLAIMS_OF_ONE, SLOTS
from tests.ruleset.lists import NOW, compiled, enforced, feed, key_of, listing, octets, order, some_names

LATER = 4_070_908_800  # 2099

Hash = Callable[[bytes], int]


def listed(ruleset: Ruleset) -> dict[str, list[tuple[str, int]]]:
    """Return each entry's claims as order and scope."""
    orders = ruleset.catalogue.orders
    return {
        DomainName(key).text: [(orders[claim.order_index].order.id, claim.scope) for claim in claims]
        for key, claims in ruleset.entries()
    }


def test_what_is_compiled_is_what_is_read(tmp_path: Path) -> None:
    one, two = order("one", start=1), order("two", start=2)
    ruleset = compiled(
        tmp_path / "r",
        feed("b", listing(one, "a.example", "b.example"), priority=60),
        feed("a", listing(two, "b.example", scope=Scope.EXACT), rejected=7),
    )
    assert listed(ruleset) == {"a.example": [("one", 3)], "b.example": [("two", 1), ("one", 3)]}
    assert ruleset.catalogue.feeds == (
        FeedRecord("a", "domains", 50, 1, "00" * 32, rejected=7),
        FeedRecord("b", "domains", 60, 2, "00" * 32),
    )
    assert [(record.order, record.feed, record.names) for record in ruleset.catalogue.orders] == [
        (two, "a", 1),
        (one, "b", 2),
    ]
    header = ruleset.header
    assert (header.created, header.entries, header.names, header.max_labels) == (NOW, 2, 2, 2)
    assert len(ruleset.digest) == 64
    ruleset.close()


def test_the_returned_header_is_the_files(tmp_path: Path) -> None:
    header = compile_ruleset(
        [feed("f", listing(order("o"), "a.example"))], tmp_path / "r", created=NOW, randomness=octets, made_from="these"
    )
    ruleset = Ruleset.open(tmp_path / "r")
    assert ruleset.header == header
    assert ruleset.catalogue.made_from == "these"


def test_sections_start_at_cache_lines(tmp_path: Path) -> None:
    header = compiled(tmp_path / "r", feed("f", listing(order("o"), *some_names(100)))).header
    sections = (header.table, header.records, header.claims, header.catalogue, header.pieces)
    assert all(section.offset % BUCKET_SIZE == 0 for section in sections)
    assert header.table.offset == HEADER_SIZE
    assert header.pieces.end == (tmp_path / "r").stat().st_size


def test_nothing_at_all_compiles(tmp_path: Path) -> None:
    ruleset = compiled(tmp_path / "r")
    assert listed(ruleset) == {}
    assert ruleset.claims(key_from_text("a.example")) == ()
    empty = compiled(tmp_path / "r", feed("f", listing(order("o"))))
    assert empty.header.entries == 0
    assert empty.catalogue.orders[0].names == 0


def test_repeated_names_count_once(tmp_path: Path) -> None:
    subject = order("o")
    ruleset = compiled(
        tmp_path / "r", feed("f", listing(subject, "a.example", "a.example"), listing(subject, "a.example"))
    )
    assert listed(ruleset) == {"a.example": [("o", 3)]}
    assert ruleset.catalogue.feeds[0].names == 1
    assert ruleset.catalogue.orders[0].names == 1


def test_one_orders_scopes_on_a_name_are_joined(tmp_path: Path) -> None:
    subject = order("o")
    ruleset = compiled(
        tmp_path / "r",
        feed(
            "f",
            listing(subject, "a.example", "b.example", scope=Scope.EXACT),
            listing(subject, "b.example", scope=Scope.SUBDOMAINS),
        ),
    )
    assert listed(ruleset) == {"a.example": [("o", 1)], "b.example": [("o", 3)]}


def test_a_name_in_two_orders_of_a_feed_counts_once_for_the_feed(tmp_path: Path) -> None:
    one, two, other = order("one"), order("two"), order("other")
    ruleset = compiled(
        tmp_path / "r",
        feed(
            "f",
            listing(one, "a.example", "b.example"),
            listing(two, "a.example", "c.example", scope=Scope.EXACT),
            listing(two, "a.example", scope=Scope.SUBDOMAINS),
        ),
        feed("g", listing(other, "a.example", "d.example"), priority=60),
    )
    assert [record.names for record in ruleset.catalogue.feeds] == [3, 2]
    assert {record.order.id: record.names for record in ruleset.catalogue.orders} == {"one": 2, "two": 2, "other": 2}


def test_orders_are_ranked_by_kind_priority_date_and_id(tmp_path: Path) -> None:
    first = feed(
        "first",
        listing(order("monitor", Action.MONITOR, start=9), "a.example"),
        listing(order("old", start=1), "a.example"),
        listing(order("new-b", start=5), "a.example"),
        listing(order("new-a", start=5), "a.example"),
        priority=1,
    )
    second = feed(
        "second",
        listing(order("newest", start=9), "a.example"),
        listing(order("allow", Action.ALLOW), "a.example"),
        priority=2,
    )
    expected = ["allow", "new-a", "new-b", "old", "newest", "monitor"]
    for feeds in ((first, second), (second, first)):
        ruleset = compiled(tmp_path / "r", *feeds)
        assert [identifier for identifier, _ in listed(ruleset)["a.example"]] == expected
        assert [record.order.id for record in ruleset.catalogue.orders] == expected


def test_the_same_id_in_two_feeds_is_two_orders(tmp_path: Path) -> None:
    ruleset = compiled(
        tmp_path / "r",
        feed("one", listing(order("o"), "a.example"), priority=1),
        feed("two", listing(order("o"), "a.example", "b.example"), priority=2),
    )
    assert [(record.feed, record.names) for record in ruleset.catalogue.orders] == [("one", 1), ("two", 2)]
    assert [claim.order_index for claim in ruleset.claims(key_from_text("a.example"))] == [0, 1]


def signed(name: str, *listings: Listing) -> FeedInput:
    return replace(feed(name, *listings), type="signed", signed=True)


def many(role: str, count: int, start: int = LATER) -> list[Listing]:
    return [listing(order(f"{role}-{at:04}", start=start, role=role), "a.example") for at in range(count)]


@pytest.mark.parametrize("count", [MAX_CLAIMS_OF_ONE, 1024, 1500])
def test_orders_of_one_authority_take_no_room_of_others(tmp_path: Path, count: int) -> None:
    """In force from 2099, or long over: whatever it signs, others' orders and its own in force stay on the name."""
    others = [listing(order(f"by-{name or 'itself'}", role=name), "a.example") for name in ("court", "greedy", "")]
    crowd = [*many("greedy", count), *(listing(order(f"over-{at}", lifted_on=5, role="greedy"), "a.example")
                                       for at in range(300))]  # fmt: skip
    own = feed("own", listing(order("mine"), "a.example"), priority=1)
    for inputs in ((signed("f", *crowd, *others), own), (own, signed("f", *others, *crowd))):
        subject = enforced(tmp_path, *inputs)
        records = subject.ruleset.catalogue.orders
        listed = {records[claim.order_index].order.id for claim in subject.ruleset.claims(key_from_text("a.example"))}
        assert {"by-court", "by-greedy", "by-itself", "mine"} <= listed
        assert sum(identifier.startswith("over") for identifier in listed) == 0
        refused = [record.order.id for record in records if record.refused]
        assert {record.order.id for record in records} == listed | set(refused)
        assert len(refused) == count + 301 - MAX_CLAIMS_OF_ONE
        subject.close()


def test_what_is_over_has_room_as_long_as_there_is_any(tmp_path: Path) -> None:
    over = listing(order("over", lifted_on=5, role="greedy"), "a.example")
    ruleset = compiled(tmp_path / "r", signed("f", over, *many("greedy", MAX_CLAIMS_OF_ONE - 1)))
    assert [record.order.id for record in ruleset.catalogue.orders if record.refused] == []
    assert len(ruleset.claims(key_from_text("a.example"))) == MAX_CLAIMS_OF_ONE


def test_only_the_name_without_room_is_refused(tmp_path: Path) -> None:
    late = order("late", start=LATER + 1, role="greedy")
    names = Listing(late, Scope.BOTH, [key_from_text("a.example"), key_from_text("b.example")])
    ruleset = compiled(tmp_path / "r", signed("f", names, *many("greedy", MAX_CLAIMS_OF_ONE)))
    [record] = [record for record in ruleset.catalogue.orders if record.order == late]
    assert (record.names, record.refused) == (1, 1)
    assert len(ruleset.claims(key_from_text("b.example"))) == 1
    known = Catalogue.from_json(ruleset.catalogue.to_json())
    assert known == ruleset.catalogue


def test_most_labels_are_those_of_the_deepest_name(tmp_path: Path) -> None:
    names = ["a.b", "abcdefghijklmnopqrstuvwxyz.example", "1.2.3.4.5.example", "8.0.0.0/8"]
    for some in (names, names[::-1]):
        assert compiled(tmp_path / "r", feed("f", listing(order("o"), *some))).header.max_labels == 6


def test_networks_are_counted_apart_and_their_lengths_noted(tmp_path: Path) -> None:
    networks = ("8.0.0.0/8", "0.0.0.0/0", "8.8.8.8/32", "2600::/32", "::/0", "2600::1/128")
    ruleset = compiled(tmp_path / "r", feed("f", listing(order("o"), "a.example", *networks)))
    assert (ruleset.header.entries, ruleset.header.names) == (7, 1)
    assert ruleset.ipv4_lengths == (32, 8, 0)
    assert ruleset.ipv6_lengths == (128, 32, 0)
    assert all(ruleset.claims(key_of(network)) for network in networks)


@pytest.mark.parametrize(
    "hashed",
    [
        lambda _: 0,
        lambda _: 0xFFFFFFFF_FFFFFFFF,  # the last bucket, so that keys are pushed on to the first
        lambda key: len(key) << 32 | 7,
        lambda key: (key[-1] % 3) * 0x55555555_00000000,
        lambda key: int.from_bytes(key[-4:]) << 32,  # one tag for all
        lambda key: key[-1] & 1,  # one bucket, two tags
    ],
)
@pytest.mark.parametrize("count", [1, SLOTS, SLOTS + 1, 300])
def test_names_whose_hashes_collide_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: Hash, count: int
) -> None:
    monkeypatch.setenv(ENGINE, "python")
    for module in ("building.builder", "mapped"):
        monkeypatch.setattr(f"blockd.ruleset.{module}.hash_of", lambda _, key: hashed(key))
    names = list(some_names(count))
    even, odd = order("even"), order("odd")
    ruleset = compiled(tmp_path / "r", feed("f", listing(even, *names[::2]), listing(odd, *names[1::2])))
    orders = ruleset.catalogue.orders
    for number, name in enumerate(names):
        (claim,) = ruleset.claims(key_from_text(name))
        assert orders[claim.order_index].order.id == ("odd" if number % 2 else "even")
        assert ruleset.claims(key_from_text(f"x{name}")) == ()
        assert ruleset.claims(key_from_text(f"www.{name}")) == ()
    assert ruleset.claims(key_from_text("example")) == ()


def test_two_files_of_the_same_lists_differ_in_key_and_build(tmp_path: Path) -> None:
    numbers = iter(range(256))

    def different(count: int) -> bytes:
        return bytes([next(numbers)]) * count

    inputs = [feed("f", listing(order("o"), *some_names(50)))]
    headers = [compile_ruleset(inputs, tmp_path / "r", created=NOW, randomness=different) for _ in range(2)]
    assert headers[0].hash_key != headers[1].hash_key
    assert headers[0].build_id != headers[1].build_id
    assert headers[0].digest != headers[1].digest


class Broken(Exception):
    pass


def broken(names: list[str]) -> Iterator[bytes]:
    yield from map(key_from_text, names)
    raise Broken


def refusing(record: FeedRecord) -> None:
    if record.name == "second":
        raise Broken


def test_an_error_within_a_listing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r"
    compiled(path, feed("f", listing(order("o"), "a.example"))).close()
    old = path.read_bytes()
    subject = order("o")
    bad = FeedInput("f", "domains", 50, "", [subject], [Listing(subject, Scope.BOTH, broken(["b.example"]))])
    with pytest.raises(Broken):
        compile_ruleset([bad], path, created=NOW, randomness=octets)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["r"]


def test_the_judge_sees_each_feed_and_may_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "r"
    feeds = [feed("second", listing(order("o"), *some_names(3)), priority=2, rejected=1), feed("first", priority=1)]
    seen: list[FeedRecord] = []
    compile_ruleset(feeds, path, created=NOW, randomness=octets, judge=seen.append)
    assert [(record.name, record.names, record.rejected) for record in seen] == [("first", 0, 0), ("second", 3, 1)]
    old = path.read_bytes()
    with pytest.raises(Broken):
        compile_ruleset(feeds, path, created=NOW, randomness=octets, judge=refusing)
    assert path.read_bytes() == old


def test_progress_is_told_while_reading_and_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler_module, "STEP", 10)
    told: list[tuple[str, int, int]] = []
    compile_ruleset(
        [feed("f", listing(order("o"), *some_names(25)))],
        tmp_path / "r",
        created=NOW,
        randomness=octets,
        progress=lambda *step: told.append(step),
    )
    assert [step for step in told if step[0] == "f"] == [("f", 10, 0), ("f", 20, 0), ("f", 25, 0)]
    assert [step for step in told if step[0] == "writing"][-1] == ("writing", 25, 25)


def test_the_formats_limits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [feed("f", listing(order("one"), "a.example"), listing(order("two"), "b.example"))]
    with monkeypatch.context() as patch:
        patch.setattr(compiler_module, "MAX_ORDERS", 1)
        with pytest.raises(RulesetError, match="more than 1 orders"):
            compile_ruleset(inputs, tmp_path / "r", created=NOW, randomness=octets)
    monkeypatch.setattr(compiler_module, "MAX_ENTRIES_SIZE", 20)
    with pytest.raises(RulesetError, match="more than the format's 20"):
        compile_ruleset(inputs, tmp_path / "r", created=NOW, randomness=octets)
    assert list(tmp_path.iterdir()) == []


def test_what_an_order_says_is_in_the_file(tmp_path: Path) -> None:
    subject = replace(order("o"), summary="Überschrift\n…", unknown={"later": ["half \ud800", {"kept": True}]})
    ruleset = compiled(tmp_path / "r", feed("f", listing(subject, "a.example")))
    assert ruleset.catalogue.orders[0].order == subject


def test_records_hold_the_longest_name(tmp_path: Path) -> None:
    longest = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 61))
    ruleset = compiled(tmp_path / "r", feed("f", listing(order("o"), longest, "1." * 126 + "x")))
    assert ruleset.claims(key_from_text(longest))
    assert ruleset.header.max_labels == 127
    assert struct.unpack_from("<IB", (tmp_path / "r").read_bytes(), ruleset.header.records.offset)[1] == 254
