"""Hashed names decide as if they were written out, and are shown nowhere."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import RulesetError
from blockd.names import DomainName, hashed_key, key_from_text, name_digest
from blockd.native import ENGINE
from blockd.orders import Action, Order, Reason, Scope
from blockd.ruleset import Enforced, FeedInput, Listing, Ruleset
from blockd.ruleset.explain import explain
from blockd.ruleset.salts import MAX_HASHED_LABELS, MAX_SALTS
from blockd.ruleset.versions.diff import Comparison
from tests.effort import tries
from tests.ruleset.lists import NOW, compiled, enforced, feed, listing, order
from tests.ruleset.test_policy import EVERY_NAME, feeds

SALTS = (b"\1" * 16, b"\2" * 32, b"\3" * 20)
SALT = SALTS[0]


def confidential(identifier: str, salt: bytes = SALT, action: Action = Action.SINKHOLE) -> Order:
    return replace(order(identifier, action), salt=salt)


def hidden(subject: Order, *names: str, scope: Scope = Scope.BOTH) -> Listing:
    return Listing(subject, scope, [hashed_key(name_digest(key_from_text(name), subject.salt)) for name in names])


def both_ways(inputs: list[FeedInput], salts: dict[str, bytes]) -> tuple[list[FeedInput], list[FeedInput]]:
    """Return feeds in plain, and with some orders' names hashed; those orders list no top-level names."""
    plain, hashed = [], []
    for source in inputs:
        of = {subject.id: replace(subject, salt=salts.get(subject.id, b"")) for subject in source.orders}
        listings, hidden_listings = [], []
        for found in source.listings:
            subject = of[found.order.id]
            keys = [key for key in found.keys if not subject.salt or len(key) > 1 + key[0]]
            listings.append(Listing(found.order, found.scope, keys))
            hashes = [
                hashed_key(name_digest(key, subject.salt)) if subject.salt and key[0] < 64 else key for key in keys
            ]
            hidden_listings.append(Listing(subject, found.scope, hashes))
        plain.append(replace(source, listings=listings))
        hashed.append(replace(source, orders=list(of.values()), listings=hidden_listings))
    return plain, hashed


def told(subject: Enforced, name: DomainName) -> tuple[object, ...]:
    verdict = subject.verdict(name.key)
    if verdict.action is None:  # names of orders that have ended are not looked for
        return None, verdict.until
    scope = verdict.entry and verdict.entry.scope
    return verdict.reason, verdict.order and verdict.order.id, scope, verdict.feed, verdict.tier, verdict.until


@settings(max_examples=tries(40, 1200))
@given(feeds(), st.lists(st.sampled_from((b"", *SALTS)), min_size=9, max_size=9))
def test_a_hashed_name_decides_as_if_it_were_plain(inputs: list[FeedInput], drawn: list[bytes]) -> None:
    orders = [subject.id for source in inputs for subject in source.orders]
    plain, hashed = both_ways(inputs, dict(zip(orders, drawn, strict=False)))
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        for part in ("plain", "hashed"):
            (Path(folder) / part).mkdir()
        known = stack.enter_context(contextlib.closing(enforced(Path(folder) / "plain", *plain)))
        subject = stack.enter_context(contextlib.closing(enforced(Path(folder) / "hashed", *hashed)))
        for name in EVERY_NAME:
            assert told(subject, name) == told(known, name), name


@pytest.mark.parametrize("engine", ["native", "python"])
def test_hashed_names_are_counted_as_names_and_drawn_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    if engine == "native":
        pytest.importorskip("blockd.ruleset.building._builder", reason="the native parts were not built")
    monkeypatch.setenv(ENGINE, engine)
    ruleset = compiled(
        tmp_path / "r", feed("f", hidden(confidential("o"), "a.example", "b.example"), listing(order("p"), "8.0.0.0/8"))
    )
    header = ruleset.header
    assert (header.names, header.entries, header.max_labels, header.ipv6_prefixes) == (2, 3, 0, 0)
    assert list(ruleset.drawn(100, octets_of_chance)) == []
    assert ruleset.salts == (SALT,)
    ruleset.close()


def octets_of_chance(count: int) -> bytes:
    return bytes(number * 7 & 0xFF for number in range(count))


def test_both_builders_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("blockd.ruleset.building._builder", reason="the native parts were not built")
    files = []
    for engine in ("native", "python"):
        monkeypatch.setenv(ENGINE, engine)
        inputs = feed("f", hidden(confidential("o"), "a.example", "b.a.example"), listing(order("p"), "c.b.a.example"))
        compiled(tmp_path / engine, inputs).close()
        files.append((tmp_path / engine).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize(("labels", "reason"), [(1, 0), (2, 1), (MAX_HASHED_LABELS, 1), (MAX_HASHED_LABELS + 1, 0)])
def test_how_many_labels_are_looked_for(tmp_path: Path, labels: int, reason: int) -> None:
    name = ".".join("a" * labels)
    subject = enforced(tmp_path, feed("f", hidden(confidential("o"), name)))
    assert subject.verdict(key_from_text(name)).touches == bool(reason)
    assert subject.verdict(key_from_text(f"b.c.{name}")).touches == bool(reason)
    subject.close()


def test_more_salts_than_can_be_afforded_are_refused(tmp_path: Path) -> None:
    orders = [confidential(f"o-{number}", bytes((number,)) * 16) for number in range(MAX_SALTS + 1)]
    listings = [hidden(subject, "a.example") for subject in orders]
    compiled(tmp_path / "r", feed("f", *listings[1:])).close()
    with pytest.raises(RulesetError, match=rf"have {MAX_SALTS + 1} different salts, .* {MAX_SALTS} are allowed"):
        compiled(tmp_path / "s", feed("f", *listings))
    ended = Listing(replace(orders[0], lifted_on=NOW), Scope.BOTH, [])
    compiled(tmp_path / "t", feed("f", ended, *listings[1:])).close()


def test_a_hash_under_another_salt_is_not_found(tmp_path: Path) -> None:
    subject = confidential("o")
    foreign = hidden(confidential("o", SALTS[1]), "a.example").keys
    found = enforced(tmp_path, feed("f", Listing(subject, Scope.BOTH, foreign)))
    assert found.verdict(key_from_text("a.example")).reason is Reason.NOT_LISTED
    found.close()


def test_what_is_told_of_a_name_does_not_repeat_it(tmp_path: Path) -> None:
    subject = enforced(
        tmp_path,
        feed("f", hidden(confidential("secret-1"), "hidden.example"), listing(order("plain"), "www.hidden.example")),
    )
    told = explain(subject, "hidden.example").to_json()
    assert (told["name"], told["verdict"], told["entry"]) == ("confidential order secret-1", "sinkhole", "confidential")
    below = explain(subject, "www.hidden.example").to_json()
    assert below["name"] == "confidential order secret-1"
    claims = below["claims"]
    assert isinstance(claims, list)
    assert [claim["because"] for claim in claims] == ["it decides", "the longer www.hidden.example decides"]
    assert "hidden" not in str(told)
    assert SALT.hex() not in str(told)
    assert "Example Messenger" not in str(told)
    subject.close()


def test_a_comparison_shows_hashes(tmp_path: Path) -> None:
    old = compiled(tmp_path / "old", feed("f", listing(order("p"), "a.example")))
    new = compiled(
        tmp_path / "new", feed("f", listing(order("p"), "a.example"), hidden(confidential("o"), "b.example"))
    )
    comparison = Comparison(old, new)
    added = list(comparison.added())
    assert [len(key) for key in added] == [17]
    assert comparison.newly_covered([key_from_text("b.example")]) == []
    for ruleset in (old, new):
        assert isinstance(ruleset, Ruleset)
        ruleset.close()
