"""A ruleset amended with a signed repository's news, and one compiled from the same: the same in all."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from blockd.compile.built import Built
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.feeds.signed.list_texts import text_path
from blockd.names import MAX_LABEL, DomainName, Network, hashed_key, is_hashed_key, key_from_text, name_digest
from blockd.native import ENGINE
from blockd.orders import Action, Entry, ListStep, Mandate, NameList, Order, OrderDocument, Scope
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.digest import PIECE
from blockd.ruleset.format import HEADER_SIZE, MAX_CLAIMS_OF_ONE
from blockd.ruleset.versions.diff import Changes, Comparison
from tests.compile.builder import NOW, Builder, domains, signed
from tests.compile.test_amend import GUARDED, NAMES, OPEN, amended, made
from tests.effort import tries
from tests.feeds.transfer.messages import ZONE
from tests.feeds.transfer.test_amend import FEED, Zone

pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")
pytest.importorskip("blockd.formats._changes", reason="blockd was installed without its C part")

SALT = bytes(range(16))
KEYS = [
    *map(key_from_text, NAMES),
    *(Network.from_text(text).key for text in ("8.8.8.0/24", "9.9.0.0/16", "2600:1::/32")),
    *(hashed_key(name_digest(key_from_text(name), SALT)) for name in NAMES[:3]),
]
BASE = Order("o", "Sample Authority", "Example Messenger", Action.SINKHOLE, Mandate.LAW, 1_000_000)


@pytest.fixture(scope="module", autouse=True)
def in_c() -> Iterator[None]:
    """Use the native engine, as there is no amending in Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, "native")
        yield


@dataclass
class Repository:
    """Bundles in a folder."""

    folder: Path
    version: int = 0

    def content(self, documents: Sequence[OrderDocument]) -> Content:
        self.version += 1
        path = self.folder / f"bundle-{self.version}"
        may_lift = {"court": ("ministry",)} if self.version % 2 else {}
        version = SignedVersion(self.version, self.version, NOW, tuple(documents), "cd" * 32, may_lift=may_lift)
        write_bundle(version, path)
        return Content(path, hashlib.sha256(path.read_bytes()).hexdigest())

    def names(self, names: Sequence[str]) -> NameList:
        """Write a list's text."""
        lines = sorted(set(names), key=str.encode)
        text = "".join(f"{name}\n" for name in lines).encode()
        step = ListStep("lists/x.gz", hashlib.sha256(text).hexdigest(), len(text), len(lines))
        path = text_path(self.folder, step)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
        return NameList((step,))


ENTRIES = st.lists(
    st.builds(Entry, st.sampled_from(KEYS), st.sampled_from([Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH])),
    min_size=1,
    max_size=8,
)


@st.composite
def documents(draw: st.DrawFn, prefix: str) -> list[tuple[OrderDocument, list[str]]]:
    """Draw orders, and beside each the names of its list, none if it has entries."""
    found: list[tuple[OrderDocument, list[str]]] = []
    places = st.tuples(st.sampled_from(["", "court", "ministry"]), st.integers(0, 2))
    for role, number in draw(st.lists(places, min_size=1, max_size=5, unique=True)):
        order = replace(
            BASE,
            id=f"{prefix}-{number}",
            role=role,
            in_force_from=draw(st.sampled_from([1_000_000, 1_000_001, 1_000_002])),
            action=draw(st.sampled_from([Action.SINKHOLE, Action.NXDOMAIN, Action.ALLOW, Action.MONITOR])),
            summary=draw(st.sampled_from(["", "text"])),
            lifted_on=draw(st.sampled_from([None, 5, 6])),
        )
        if draw(st.integers(0, 3)):
            found.append((OrderDocument(order, tuple(draw(ENTRIES))), []))
        else:
            names = draw(st.lists(st.sampled_from(NAMES), min_size=1))
            found.append((OrderDocument(order, (), scope=draw(st.sampled_from([Scope.EXACT, Scope.BOTH]))), names))
    return found


def without_hashes(found: list[tuple[OrderDocument, list[str]]]) -> list[tuple[OrderDocument, list[str]]]:
    """Leave out hashed names, which the gate's reports do not distinguish from others."""
    kept = [
        (replace(document, entries=tuple(entry for entry in document.entries if not is_hashed_key(entry.key))), names)
        for document, names in found
    ]
    return [(document, names) for document, names in kept if document.entries or names] or [
        (OrderDocument(replace(BASE, id="rest"), (Entry(KEYS[0], Scope.BOTH),)), [])
    ]


def written(repository: Repository, found: list[tuple[OrderDocument, list[str]]]) -> Content:
    """Write what was drawn."""
    return repository.content(
        [replace(document, names=repository.names(names) if names else None) for document, names in found]
    )


def counted(old: Path, new: Path) -> Changes:
    """Return the counts of differences between two rulesets by reading both."""
    one, two = Ruleset.open(old), Ruleset.open(new)
    try:
        return Comparison(one, two).count()
    finally:
        one.close()
        two.close()


Found = tuple[Mapping[bytes, object], object]


def compared(path: Path) -> Found:
    """Return all that two rulesets must have in common, and check what each must be in itself."""
    ruleset = Ruleset.open(path)
    entries = list(ruleset.entries())
    found = dict(entries)
    header = ruleset.header
    assert len(found) == len(entries) == header.entries
    assert all(ruleset.claims(key) == claims for key, claims in found.items())
    assert not any(ruleset.claims(key) for key in KEYS if key not in found)
    assert header.max_labels >= max((len(DomainName(key).labels) for key in found if key[0] <= MAX_LABEL), default=0)
    for kind, lengths in ((0xF4, header.ipv4_prefixes), (0xF6, header.ipv6_prefixes)):
        assert all(lengths >> key[1] & 1 for key in found if key[0] == kind)
    ruleset.close()
    return found, ruleset.catalogue


def same(built: Built, expected: Built, path: Path, whole: Path) -> None:
    assert built.header is not None
    assert expected.header is not None
    assert compared(path) == compared(whole)
    assert (built.header.entries, built.header.names) == (expected.header.entries, expected.header.names)
    assert built.held.keys() == expected.held.keys()
    for name, report in built.held.items():
        assert report == expected.held[name], name
    assert (built.taken, built.made_from) == (expected.taken, expected.made_from)
    ruleset = Ruleset.open(path)
    assert ruleset.header == built.header
    ruleset.close()


@given(
    st.lists(documents("a"), min_size=2, max_size=4),
    st.lists(documents("b"), min_size=1, max_size=2),
    st.lists(st.permutations(NAMES).map(lambda names: [*names[:7], "end.example"]), min_size=1, max_size=2),
    st.sampled_from([OPEN, GUARDED]),
    st.booleans(),
)
@settings(max_examples=tries(15, 400), phases=(Phase.reuse, Phase.generate))
def test_amending_version_after_version_gives_what_compiling_gives(
    ones: list[list[tuple[OrderDocument, list[str]]]],
    twos: list[list[tuple[OrderDocument, list[str]]]],
    lists: list[list[str]],
    gate: Gate,
    tie: bool,
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if gate is GUARDED:
            ones, twos = ([without_hashes(version) for version in versions] for versions in (ones, twos))
        builder, one, two = Builder(folder), Repository(folder / "one"), Repository(folder / "two")
        for part in ("one", "two", "zone"):
            (folder / part).mkdir()
        zone = Zone(folder / "zone", [])
        candidates = [
            Candidate(signed("two", priority=50 if tie else 7), None, written(two, twos[0])),
            Candidate(signed("one", priority=50), None, written(one, ones[0])),
            Candidate(domains("national", priority=20), None, builder.content(*lists[0])),
            Candidate(FEED, None, zone.first),
        ]
        in_force = folder / "0"
        built = made(candidates, in_force, gate)
        for day, version in enumerate(ones[1:], 1):
            news: dict[str, Content] = {"one": written(one, version)}
            if day == 1 and len(twos) > 1:
                news["two"] = written(two, twos[1])
            if day == 1 and len(lists) > 1:
                news["national"] = builder.content(*lists[1])
            if day == 2 and gate is OPEN:
                news["live"] = zone.version(2, [f"n5.example.{ZONE} 60 IN CNAME ."])
            candidates = [replace(c, incoming=news.get(c.feed.name)) for c in candidates]
            path, whole = folder / str(day), folder / "whole"
            again = amended(candidates, in_force, path, built.rejects, gate, built.held)
            expected = made(candidates, whole, gate)
            if again is None:
                in_force, built = whole.rename(folder / f"{day}-whole"), expected
            else:
                same(again, expected, path, whole)
                assert again.changes == counted(in_force, path)
                in_force, built = path, again
            candidates = [replace(c, accepted=c.incoming or c.accepted, incoming=None) for c in candidates]


def document(identifier: str, *names: str, **keys: object) -> OrderDocument:
    order = replace(BASE, id=identifier, **keys)  # type: ignore[arg-type]
    return OrderDocument(order, tuple(Entry(key_from_text(name), Scope.BOTH) for name in names))


def one_change(
    folder: Path, before: Sequence[OrderDocument], after: Sequence[OrderDocument], gate: Gate = OPEN, many: int = 0
) -> Built | None:
    """Amend beside a list of `many` names and compare with what is compiled."""
    builder, repository = Builder(folder), Repository(folder)
    names = [f"host-{number}.example" for number in range(many)] or ["end.example"]
    listed = Candidate(domains(max_size="10M"), None, builder.content(*names))
    old = Candidate(signed(), None, repository.content(before))
    first = made([listed, old], folder / "old")
    new = [listed, replace(old, incoming=repository.content(after))]
    built = amended(new, folder / "old", folder / "new", first.rejects, gate, first.held)
    if built is not None:
        same(built, made(new, folder / "whole"), folder / "new", folder / "whole")
    return built


def test_feed_that_gives_something_for_the_first_time_is_amended_in(tmp_path: Path) -> None:
    builder, repository = Builder(tmp_path), Repository(tmp_path)
    listed = Candidate(domains("national", priority=20), None, builder.content("a.example", "new.example"))
    for priority in (7, 20, 50):
        silent = Candidate(signed("ministry", priority=priority), None, None)
        first = made([listed, silent], tmp_path / "old")
        news = [listed, replace(silent, incoming=repository.content([document("one", "new.example", "b.example")]))]
        built = amended(news, tmp_path / "old", tmp_path / "new", first.rejects, OPEN, first.held)
        assert built is not None
        same(built, made(news, tmp_path / "whole"), tmp_path / "new", tmp_path / "whole")
        assert built.changes == counted(tmp_path / "old", tmp_path / "new")


def test_other_dates_and_texts_leave_table_and_records_as_they_are(tmp_path: Path) -> None:
    built = one_change(
        tmp_path, [document("o", "a.example")], [document("o", "a.example", lifted_on=9, summary="x")], many=30_000
    )
    assert built is not None
    assert built.header is not None
    assert built.news == ()
    end = built.header.records.end
    assert end > PIECE
    old, new = ((tmp_path / name).read_bytes() for name in ("old", "new"))
    assert old[HEADER_SIZE:end] == new[HEADER_SIZE:end]


def test_orders_ranked_anew_keep_their_names(tmp_path: Path) -> None:
    one, two = document("one", "a.example", "b.example"), document("two", "b.example", "c.example")
    later = replace(one, order=replace(one.order, in_force_from=2_000_000))
    assert one_change(tmp_path, [one, two], [later, two]) is not None


def test_an_order_in_place_of_another_is_amended(tmp_path: Path) -> None:
    stays = document("stays", "x.example")
    built = one_change(
        tmp_path, [document("one", "a.example"), stays], [stays, document("two", "a.example", "b.example")]
    )
    assert built is not None
    assert set(built.news) == {key_from_text("a.example"), key_from_text("b.example")}


def test_orders_of_one_id_are_amended_each_for_itself(tmp_path: Path) -> None:
    one, own, two = (document("17", name, role=role) for role, name in (("court", "a.example"), ("", "x.example"),
                                                                         ("ministry", "a.example")))  # fmt: skip
    lifted = replace(two, order=replace(two.order, lifted_on=9))
    assert one_change(tmp_path, [own, one, two], [own, one, lifted]) is not None
    other = one_change(tmp_path, [own, one], [two, own, document("17", "b.example", role="court")])
    assert other is not None
    assert set(other.news) == {key_from_text("a.example"), key_from_text("b.example")}
    ruleset = Ruleset.open(tmp_path / "new")
    names = [record.order.name for record in ruleset.catalogue.orders if not record.order.list_name]
    assert names == ["targets/17", "court/17", "ministry/17"]
    assert [len(ruleset.catalogue.find(name)) for name in (*names, "17", "national")] == [1, 1, 1, 3, 0]
    ruleset.close()


def test_holes_are_counted_and_too_many_are_left_to_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = document("stays", "x.example"), document("goes", *(f"n{number}.example" for number in range(9)))
    built = one_change(tmp_path, [stays, goes], [stays])
    assert built is not None
    assert built.header is not None
    assert built.header.holes == 9 * (5 + len(key_from_text("n0.example")))
    monkeypatch.setattr("blockd.ruleset.building.amender._FEW_HOLES", 0)
    assert one_change(tmp_path, [stays, goes], [stays]) is None


def test_what_is_refused_or_unreadable_is_left_to_the_compiler(tmp_path: Path) -> None:
    builder, repository = Builder(tmp_path), Repository(tmp_path)
    old = Candidate(signed(), None, repository.content([document("o", "a.example")]))
    first = made([old], tmp_path / "old")

    def amending(content: Content, gate: Gate = OPEN) -> Built | None:
        return amended([replace(old, incoming=content)], tmp_path / "old", tmp_path / "new", {}, gate, first.held)

    good = repository.content([document("o", "a.example", "b.example")])
    assert amending(good) is not None
    assert amending(good, Gate(min_names=3)) is None
    assert amending(builder.octets(b"garbage")) is None
    assert amending(repository.content([])) is None
    twice = [document("o", "a.example"), document("o", "b.example")]
    assert amending(repository.content(twice)) is None
    missing = OrderDocument(replace(BASE, id="p"), (), NameList((ListStep("lists/x", "0" * 64, 9, 1),)))
    assert amending(repository.content([document("o", "a.example"), missing])) is None
    first.held.clear()
    assert amending(good) is None


def test_a_bundle_that_is_not_what_was_compiled_is_left_to_the_compiler(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    old = Candidate(signed(), None, repository.content([document("o", "a.example")]))
    first = made([old], tmp_path / "old")
    for claimed in (["b.example"], ["a.example", "b.example"]):
        other = repository.content([document("o", *claimed)])
        changed = replace(
            old,
            accepted=replace(other, digest=old.accepted.digest if old.accepted else ""),
            incoming=repository.content([document("p", "c.example")]),
        )
        assert amended([changed], tmp_path / "old", tmp_path / "new", {}, OPEN, first.held) is None


def test_list_that_has_changed_on_the_disk_since_it_was_brought_is_left_to_the_compiler(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    lists = [repository.names(names) for names in (["a.example", "z.example"], ["a.example", "b.example", "z.example"])]
    first, second = (OrderDocument(replace(BASE, id="o"), (), names) for names in lists)
    old = Candidate(signed(), None, repository.content([first]))
    built = made([old], tmp_path / "old")
    news = [replace(old, incoming=repository.content([second]))]
    assert amended(news, tmp_path / "old", tmp_path / "new", {}, OPEN, built.held) is not None
    text = text_path(tmp_path, lists[1].last)
    text.write_bytes(text.read_bytes().replace(b"b.example", b"c.example"))
    assert amended(news, tmp_path / "old", tmp_path / "new", {}, OPEN, built.held) is None


def test_a_full_name_of_one_authority_lets_others_be_amended(tmp_path: Path) -> None:
    def documents(court: int, ministry: int) -> list[OrderDocument]:
        entries = (Entry(KEYS[0], Scope.BOTH),)
        crowd = [replace(BASE, id=f"greedy-{at}", role="greedy") for at in range(ministry)]
        others = [replace(BASE, id=f"court-{at}", role="court") for at in range(court)]
        return [OrderDocument(each, entries) for each in (*crowd, *others)]

    for before, after, is_amended in (
        ((1, MAX_CLAIMS_OF_ONE + 5), (2, MAX_CLAIMS_OF_ONE + 5), True),
        ((2, MAX_CLAIMS_OF_ONE), (1, MAX_CLAIMS_OF_ONE), True),
        ((1, MAX_CLAIMS_OF_ONE), (1, MAX_CLAIMS_OF_ONE + 1), False),
        ((1, MAX_CLAIMS_OF_ONE + 1), (1, MAX_CLAIMS_OF_ONE), False),
    ):
        folder = tmp_path / f"{before}-{after}"
        folder.mkdir()
        repository = Repository(folder)
        old, new = repository.content(documents(*before)), repository.content(documents(*after))
        candidates = [Candidate(signed("one", priority=50), None, old)]
        built = made(candidates, folder / "0", OPEN)
        news = [Candidate(signed("one", priority=50), new, old)]
        found = amended(news, folder / "0", folder / "1", built.rejects, OPEN, built.held)
        assert (found is not None) == is_amended, (before, after)
        expected = made(news, folder / "2", OPEN)
        if found is not None:
            same(found, expected, folder / "1", folder / "2")
