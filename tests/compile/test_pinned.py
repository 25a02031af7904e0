"""A version with other overrides on top, and one compiled with them: the same verdict on every name."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.compile.pinned import Overrides, content_with, with_overrides
from blockd.errors import RulesetError
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.overrides.file import Override
from blockd.names import key_from_text
from blockd.orders import Action, Mandate, Order, OrderDocument, Scope
from blockd.ruleset import FeedInput, Listing, Ruleset, compile_ruleset
from blockd.ruleset.policy import at_time
from blockd.settings import OverridesFeed
from tests.compile.builder import Builder, domains
from tests.ruleset.lists import octets

NOW = 1_000_000  # seconds since the epoch
NAMES = ["a.example", "b.example", "sub.a.example", "c.example", "deep.sub.a.example"]


def override(number: int, name: str, scope: str = "both", ended: int | None = None, until: int = 2_000_000) -> Override:
    return Override(f"override-{number}", name, scope, "why", "", "Operator", NOW - 500, until, ended)


def overrides(*made: Override, digest: str = "d") -> Overrides:
    return Overrides(digest, tuple(one.document() for one in made))


def compiled(path: Path, blocked: Sequence[str], documents: Sequence[OrderDocument], digest: str) -> Path:
    """Compile a list and overrides, as the daemon does."""
    law = Order("law", "Sample Authority", "Messenger", Action.SINKHOLE, Mandate.LAW, 0)
    listed = Listing(law, Scope.BOTH, [key_from_text(name) for name in blocked])
    inputs = [FeedInput("national", "domains", 10, "f" * 64, [law], [listed])]
    if documents:
        own = [
            Listing(document.order, entry.scope, [entry.key]) for document in documents for entry in document.entries
        ]
        inputs.append(
            FeedInput("overrides", "overrides", 0, digest, [document.order for document in documents], own, signed=True)
        )
    compile_ruleset(inputs, path, created=NOW, randomness=octets, made_from="v")
    return path


def verdicts(path: Path, now: float = NOW) -> list[str]:
    """Return the feed that blocks each name, empty if none does."""
    enforced = at_time(1, Ruleset.open(path), now)
    found = [enforced.verdict(key_from_text(name)) for name in NAMES]
    enforced.close()
    return [verdict.feed if verdict.touches else "" for verdict in found]


made = st.lists(
    st.builds(
        override,
        st.integers(1, 6),
        st.sampled_from(NAMES),
        st.sampled_from(["exact", "subdomains", "both"]),
        st.sampled_from([None, None, NOW - 100]),
        st.sampled_from([2_000_000, NOW - 1]),
    ),
    max_size=5,
    unique_by=lambda one: one.id,
)


@given(blocked=st.lists(st.sampled_from(NAMES), min_size=1, unique=True), then=made, now=made, later=made)
def test_verdicts_are_those_of_a_version_compiled_with_the_overrides(
    blocked: list[str], then: list[Override], now: list[Override], later: list[Override]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        base = compiled(folder / "base", blocked, overrides(*then).documents, "then")
        for digest, wanted in (("now", now), ("later", later)):
            anew = compiled(folder / "anew", blocked, overrides(*wanted).documents, digest)
            with_overrides(base, overrides(*wanted, digest=digest), folder / digest, created=NOW, randomness=octets)
            assert verdicts(folder / digest) == verdicts(anew)
            Ruleset.open(folder / digest, verify=True).close()
            base = folder / digest  # on top of which the next ones come


def test_override_that_is_no_longer_made_is_lifted_and_does_not_come_back(tmp_path: Path) -> None:
    base = compiled(tmp_path / "base", ["a.example"], overrides(override(1, "a.example")).documents, "then")
    assert verdicts(base)[0] == ""
    with_overrides(base, overrides(digest="now"), tmp_path / "now", created=NOW, randomness=octets)
    assert verdicts(tmp_path / "now")[0] == "national"
    ruleset = Ruleset.open(tmp_path / "now")
    [record] = [record for record in ruleset.catalogue.orders if record.feed == "overrides"]
    ruleset.close()
    assert (record.order.lifted_on, record.order.lifted_reason) == (NOW, "It is no longer among the overrides.")


def test_same_id_for_another_name_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    base = compiled(tmp_path / "base", ["a.example", "b.example"], overrides(override(1, "a.example")).documents, "x")
    with_overrides(base, overrides(override(1, "b.example")), tmp_path / "now", created=NOW, randomness=octets)
    assert verdicts(tmp_path / "now")[:2] == ["national", ""]


def test_content_is_that_of_the_version_or_of_no_compiled_one(tmp_path: Path) -> None:
    base = compiled(tmp_path / "base", ["a.example"], overrides(override(1, "a.example")).documents, "then")
    ruleset = Ruleset.open(base)
    ruleset.close()
    assert content_with(ruleset.catalogue, "then") == "v"
    others = {content_with(ruleset.catalogue, digest) for digest in ("", "now", "later")}
    assert (len(others), "v" in others) == (3, False)


def test_changes_are_counted_against_the_version_and_some_names_are_told(tmp_path: Path) -> None:
    base = compiled(tmp_path / "base", ["a.example"], [], "")
    made = with_overrides(
        base, overrides(override(1, "a.example"), override(2, "b.example")), tmp_path / "now", created=NOW,
        randomness=octets,
    )  # fmt: skip
    assert (made.changes.added, made.changes.removed, made.changes.changed) == (1, 0, 1)
    assert set(made.names) == {key_from_text("a.example"), key_from_text("b.example")}


def test_damaged_version_is_refused(tmp_path: Path) -> None:
    base = compiled(tmp_path / "base", ["a.example"], [], "")
    whole = bytearray(base.read_bytes())
    whole[len(whole) // 2] ^= 1
    base.write_bytes(whole)
    with pytest.raises(RulesetError):
        with_overrides(base, overrides(override(1, "a.example")), tmp_path / "now", created=NOW, randomness=octets)
    assert not (tmp_path / "now").exists()


def test_feed_of_the_operators_own_that_cannot_be_read_is_lost_and_nothing_is_compiled(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    damaged = builder.octets(b'{"bundle": 1, "length": 0, "sha256": ""}\n')
    own = OverridesFeed(path=tmp_path / "overrides.json")
    lists = Candidate(domains(), builder.content("a.example"), None)
    built = builder.build(lists, Candidate(own, None, Content(damaged.path, damaged.digest)))
    assert (built.header, built.lost) == (None, {"overrides"})


def test_states_of_overrides_go_by_the_clock(tmp_path: Path) -> None:
    base = compiled(tmp_path / "base", ["a.example"], [], "")
    end = NOW + 10
    with_overrides(
        base, overrides(override(1, "a.example", until=end)), tmp_path / "now", created=NOW, randomness=octets
    )
    assert [verdicts(tmp_path / "now", at)[0] for at in (end - 1, end)] == ["", "national"]
