from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.errors import RulesetError
from blockd.names import DomainName
from blockd.native import ENGINE
from blockd.orders import Action, Entry, Scope
from blockd.ruleset import FeedInput, Ruleset, compile_ruleset
from blockd.ruleset.versions import diff
from blockd.ruleset.versions.diff import Changes, Comparison, Touched, order_changes
from tests.ruleset.lists import NOW, feed, key_of, listing, octets, order, some_names

BLOCKED = order("blocked")
ALLOWED = order("allowed", Action.ALLOW)

Compare = Callable[[list[FeedInput], list[FeedInput]], Comparison]


@pytest.fixture(params=["native", "python"], autouse=True)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both walks, which return the same."""
    if request.param == "native":
        pytest.importorskip("blockd.ruleset.versions._diff", reason="blockd was installed without its C part")
    monkeypatch.setenv(ENGINE, request.param)


@pytest.fixture
def compare(tmp_path: Path) -> Iterator[Compare]:
    opened: list[Ruleset] = []

    def comparison(old: list[FeedInput], new: list[FeedInput]) -> Comparison:
        for name, feeds, salt in (("old", old, 0), ("new", new, 1)):
            path = tmp_path / name
            compile_ruleset(
                feeds,
                path,
                created=NOW,
                randomness=lambda count, salt=salt: bytes([salt]) * count,  # type: ignore[misc]
            )
            opened.append(Ruleset.open(path))
        return Comparison(opened[-2], opened[-1])

    yield comparison
    for ruleset in opened:
        ruleset.close()  # raises if the file is still in use


def names(keys: Iterator[bytes]) -> list[str]:
    return sorted(Entry(key).text for key in keys)


def test_names_that_came_and_went_are_told(compare: Compare) -> None:
    comparison = compare(
        [feed("list", listing(BLOCKED, "stays.example", "goes.example", "192.0.2.0/24"))],
        [feed("list", listing(BLOCKED, "stays.example", "comes.example", "198.51.100.0/24"))],
    )
    assert names(comparison.added()) == ["198.51.100.0/24", "comes.example"]
    assert names(comparison.removed()) == ["192.0.2.0/24", "goes.example"]
    assert comparison.changes == Changes(2, 2, 0)


def test_orders_of_one_id_are_compared_each_with_itself(compare: Compare) -> None:
    court, bank = (replace(BLOCKED, role=role) for role in ("court", "bank"))
    lifted = replace(bank, lifted_on=NOW)
    comparison = compare(
        [feed("list", listing(court, "a.example"), listing(bank, "a.example", "b.example"))],
        [feed("list", listing(court, "a.example", "b.example"), listing(lifted, "a.example"))],
    )
    assert comparison.count() == Changes(0, 0, 1)  # b.example is another's now, although by the same id
    found = order_changes(comparison.old.catalogue, comparison.new.catalogue)
    assert (found.came, found.went) == ((), ())
    assert [(new.order.name, new.order.lifted_on) for _, new in found.changed] == [("bank/blocked", NOW)]


def test_counting_alone_gives_the_same_counts(compare: Compare) -> None:
    comparison = compare(
        [feed("list", listing(BLOCKED, *some_names(300), "goes.example"))],
        [feed("list", listing(BLOCKED, *some_names(310)))],
    )
    assert comparison.count() == Changes(10, 1, 0)


def test_a_ruleset_does_not_differ_from_itself_compiled_anew(compare: Compare) -> None:
    lists = [feed("list", listing(BLOCKED, *some_names(500)))]
    comparison = compare(lists, [feed("list", listing(BLOCKED, *some_names(500)))])
    assert comparison.old.header.hash_key != comparison.new.header.hash_key
    assert (names(comparison.added()), names(comparison.removed())) == ([], [])
    assert comparison.changes == Changes(0, 0, 0)


def test_a_name_under_another_order_or_scope_is_changed(compare: Compare) -> None:
    comparison = compare(
        [feed("list", listing(BLOCKED, "a.example", "b.example", "c.example"), listing(ALLOWED, "d.example"))],
        [
            feed(
                "list",
                listing(BLOCKED, "a.example", "d.example"),
                listing(BLOCKED, "b.example", scope=Scope.EXACT),
                listing(ALLOWED, "c.example", "d.example"),
            )
        ],
    )
    assert comparison.count() == Changes(0, 0, 3)


def test_the_order_of_feeds_and_orders_makes_no_change(compare: Compare) -> None:
    one, other = listing(BLOCKED, "a.example"), listing(order("other"), "a.example", "b.example")
    comparison = compare(
        [feed("one", one, priority=1), feed("two", other, priority=2)],
        [feed("zero", listing(order("new"), "z.example"), priority=0), feed("two", other), feed("one", one)],
    )
    assert comparison.count() == Changes(1, 0, 0)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (5, 0), (0, 0)])
def test_an_empty_ruleset_is_compared_too(compare: Compare, old: int, new: int) -> None:
    comparison = compare(
        [feed("list", listing(BLOCKED, *some_names(old)))], [feed("list", listing(BLOCKED, *some_names(new)))]
    )
    assert (len(names(comparison.added())), len(names(comparison.removed()))) == (new, old)
    assert comparison.count() == Changes(new, old, 0)


def test_names_are_given_in_pieces_and_progress_is_told(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "STEP", 64)
    told: list[tuple[str, int, int]] = []
    comparison = compare(
        [feed("list", listing(BLOCKED, *some_names(10)))], [feed("list", listing(BLOCKED, *some_names(1000)))]
    )
    comparison.progress = lambda *progress: told.append(progress)
    assert len(names(comparison.added())) == 990
    assert told[0] == ("added", 64, 1000)
    assert told[-1] == ("added", 1000, 1000)


def test_who_stops_reading_leaves_nothing_open(compare: Compare) -> None:
    comparison = compare([feed("list", listing(BLOCKED))], [feed("list", listing(BLOCKED, *some_names(10)))])
    added = comparison.added()
    next(added)
    added.close()  # type: ignore[attr-defined]  # the fixture closes both files


def test_popular_names_that_become_covered_are_told_by_rank(compare: Compare) -> None:
    comparison = compare(
        [feed("list", listing(BLOCKED, "old.example", "gone.example"), listing(BLOCKED, "x.exact", scope=Scope.EXACT))],
        [
            feed(
                "list",
                listing(BLOCKED, "old.example", "popular.example", "www.old.example", "192.0.2.1/32"),
                listing(BLOCKED, "apex.example", "x.exact", scope=Scope.EXACT),
            )
        ],
    )
    ranked = [
        key_of(name)
        for name in (
            *("free.example", "www.popular.example", "popular.example", "www.old.example", "www.apex.example"),
            *("apex.example", "gone.example", "x.exact", "www.x.exact", "popular.example.net", "example"),
        )
    ]
    assert comparison.newly_covered(ranked) == [
        Touched(2, "www.popular.example", "popular.example"),
        Touched(3, "popular.example", "popular.example"),
        Touched(6, "apex.example", "apex.example"),
    ]
    assert comparison.no_longer_covered(ranked) == [Touched(7, "gone.example", "gone.example")]
    assert comparison.newly_covered([]) == []


def test_orders_that_came_went_and_changed_are_told(compare: Compare) -> None:
    comparison = compare(
        [
            feed(
                "list",
                listing(BLOCKED, "a.example"),
                listing(order("ends"), "a.example"),
                listing(order("went"), "b.example"),
            )
        ],
        [
            feed(
                "list",
                listing(BLOCKED, "a.example", "b.example"),
                listing(order("ends", expires=NOW), "a.example"),
                listing(order("came"), "c.example"),
            )
        ],
    )
    found = order_changes(comparison.old.catalogue, comparison.new.catalogue)
    assert [record.order.id for record in found.came] == ["came"]
    assert [record.order.id for record in found.went] == ["went"]
    assert [(old.order.expires, new.order.expires) for old, new in found.changed] == [(None, NOW)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    old=st.sets(st.sampled_from(list(some_names(40)))),
    new=st.sets(st.sampled_from(list(some_names(40)))),
    moved=st.sets(st.sampled_from(list(some_names(40)))),
)
def test_any_two_lists_differ_as_their_sets_do(compare: Compare, old: set[str], new: set[str], moved: set[str]) -> None:
    comparison = compare(
        [feed("list", listing(BLOCKED, *sorted(old)), listing(ALLOWED))],
        [feed("list", listing(BLOCKED, *sorted(new)), listing(ALLOWED, *sorted(new & moved)))],
    )
    assert names(comparison.added()) == sorted(new - old)
    assert names(comparison.removed()) == sorted(old - new)
    assert comparison.changes.changed == len(old & new & moved)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_told_and_nothing_worse(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    good, bad = folder / "good", folder / "bad"
    compile_ruleset([feed("list", listing(BLOCKED, *some_names(100)))], good, created=NOW, randomness=octets)
    content = bytearray(good.read_bytes())
    whole = Ruleset.open(good)
    start, end = whole.header.table.offset, whole.header.catalogue.offset
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(start, end - 1))] = data.draw(st.integers(0, 255))
    bad.write_bytes(content)
    broken = Ruleset.open(bad, verify=False)
    popular = [key_of("host-1.example"), key_of("www.host-2.example"), DomainName(b"\x01a").key]
    for comparison in (Comparison(whole, broken), Comparison(broken, whole)):
        for ask in (comparison.count, lambda: list(comparison.added()), lambda: comparison.newly_covered(popular)):  # noqa: B023
            try:
                ask()
            except RulesetError:
                continue
    whole.close()
    broken.close()
