from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.compile.build import build, fingerprint
from blockd.errors import BadName, BadOrder, CommandError, FeedRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.overrides.file import (
    MAX_LIFE,
    MAX_OVERRIDES,
    Override,
    end_override,
    new_override,
    parse_overrides,
    read_overrides,
    write_overrides,
)
from blockd.feeds.overrides.source import OverridesSource
from blockd.feeds.signed.bundle import read_bundle
from blockd.names import key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.orders import Action, Mandate
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.policy import at_time
from blockd.settings import FEED_TYPES, OverridesFeed

NOW = 1_795_521_600.0


def made(name: str = "shop.example", **more: object) -> Override:
    asked = {"scope": "both", "reason": "Court order 7", "until": int(NOW) + 86400, "officer": "", "authority": "ISP"}
    known = more.pop("known", ())
    return new_override(known, name=name, now=NOW, **{**asked, **more})  # type: ignore[arg-type]


def test_override_becomes_an_allow_order_with_its_reason_and_end(folder: Path) -> None:
    override = made("WWW.Shop.example", officer="Ms Smith")
    write_overrides(folder / "overrides.json", [override])
    fetched = OverridesSource(OverridesFeed(path=folder / "overrides.json"), folder).look()
    assert fetched is not None
    (document,) = read_bundle(fetched.path).documents
    order = document.order
    assert (order.action, order.mandate, order.expires) == (Action.ALLOW, Mandate.OPERATOR, override.until)
    assert (order.summary, order.decided_by, order.authority) == ("Court order 7", "Ms Smith", "ISP")
    assert [(entry.text, entry.scope.text) for entry in document.entries] == [("www.shop.example", "both")]
    assert fetched.evidence == {"overrides.json": (folder / "overrides.json").read_bytes()}


@pytest.mark.parametrize(
    ("typed", "scope", "text"),
    [
        ("-sso.bad.example", "both", "-sso.bad.example"),
        ("ads-.x.example", "subdomains", "ads-.x.example"),
        ("foo!bar.example", "both", r"foo\033bar.example"),
        (r"a\046b.example", "exact", r"a\046b.example"),
        ("https://Shop.example/x", "both", "shop.example"),
        ("zip", "exact", "zip"),
        ("192.0.2.1", "both", "192.0.2.1"),
        ("2001:db8::/32", "both", "2001:db8::/32"),
    ],
)
def test_whatever_a_list_or_a_zone_can_hold_can_be_overridden_and_ended(
    folder: Path, typed: str, scope: str, text: str
) -> None:
    override = made(typed, scope=scope)
    assert override.name == text
    assert override.document().entries[0].text == text
    write_overrides(folder / "overrides.json", [override])
    assert read_overrides(folder / "overrides.json") == (override,)
    assert end_override([override], name=typed, reason="settled", now=NOW + 1).id == override.id
    assert end_override([override], name=text, reason="settled", now=NOW + 1).id == override.id


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("*.shop.example", "a wildcard (name what it is under, with the scope `subdomains`)"),
        ("10.0.0.0/8", "network too wide"),
        ("32.1.2.0.192.rpz-client-ip", "a rule for clients"),
        ("zip", "a top-level name (what is under it"),
        (".", "empty"),
    ],
)
def test_what_would_exempt_too_much_or_nothing_is_not_overridden(name: str, reason: str) -> None:
    with pytest.raises(CommandError) as refused:
        made(name)
    assert f"cannot be overridden: {reason}" in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "com"}, {"name": "not a name"}, {"reason": ""}, {"reason": "  "}, {"reason": "two\nlines"},
        {"reason": "x" * 501}, {"until": int(NOW)}, {"until": int(NOW) + MAX_LIFE + 1}, {"scope": "all"},
        {"officer": "a\x1b[2J"}, {"known": [made()]}, {"known": [made(f"n{n}.example") for n in range(MAX_OVERRIDES)]},
    ],
)  # fmt: skip
def test_override_without_reason_end_or_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(CommandError):
        made(**wrong)  # type: ignore[arg-type]


def test_public_suffix_is_not_overridden_with_all_that_is_under_it() -> None:
    guard = Guard.of(parse_suffixes("example\nco.example\n"), [], [], "d")
    for scope in ("both", "subdomains"):
        with pytest.raises(CommandError, match="public suffix"):
            made("co.example", scope=scope, guard=guard)
    assert made("co.example", scope="exact", guard=guard).name == "co.example"
    assert made("shop.co.example", guard=guard).name == "shop.co.example"


def test_overrides_of_one_second_have_ids_of_their_own() -> None:
    first = made()
    second = made("other.example", known=[first])
    assert (first.id, second.id) == ("override-20261124t120000z", "override-20261124t120000z-2")


def test_name_may_be_overridden_again_once_the_first_is_over() -> None:
    ended = replace(made(), ended=int(NOW) - 1)
    assert made(known=[ended]).id != ended.id


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"[]", b'{"format": 2, "overrides": []}', b'{"format": 1, "overrides": [{}]}', b"\0" * 64,
        b"[" * 10_000,
    ],
)  # fmt: skip
def test_damaged_file_is_refused_with_a_sentence(folder: Path, damage: bytes) -> None:
    (folder / "overrides.json").write_bytes(damage)
    with pytest.raises(FeedRefused, match="stays in force") as refused:
        OverridesSource(OverridesFeed(path=folder / "overrides.json"), folder).look()
    assert refused.value.reason == "format"


def test_file_that_is_gone_is_refused_only_where_something_of_it_was_accepted(folder: Path) -> None:
    source = OverridesSource(OverridesFeed(path=folder / "overrides.json"), folder)
    assert source.look() is None
    (folder / "accepted").write_bytes(b"")
    with pytest.raises(FeedRefused, match="is gone"):
        source.look()


@pytest.mark.parametrize(
    "change",
    [
        {"until": int(NOW) + MAX_LIFE + 2}, {"reason": ""}, {"name": "com"}, {"scope": "all"}, {"id": "NO ID"},
        {"until": "x"}, {"more": 1}, {"reason": "\x1b[2J"},
    ],
)  # fmt: skip
def test_file_that_somebody_has_edited_beyond_the_bounds_is_refused(folder: Path, change: dict[str, object]) -> None:
    path = folder / "overrides.json"
    write_overrides(path, [made()])
    told = json.loads(path.read_bytes())
    told["overrides"][0].update(change)
    path.write_text(json.dumps(told))
    with pytest.raises(FeedRefused):
        read_overrides(path)


@given(octets=st.binary(max_size=400))
def test_any_octets_are_overrides_or_a_known_error(octets: bytes) -> None:
    try:
        parse_overrides(octets)
    except (ValueError, TypeError, KeyError, BadOrder, BadName):
        return


def candidates(folder: Path, overrides: list[Override] | None) -> list[Candidate]:
    (folder / "list").write_text("shop.example\nother.example\n")
    feed = FEED_TYPES["domains"].model_validate(
        {"name": "national", "type": "domains", "path": str(folder / "list")}, context={"folder": folder}
    )
    content = Content(folder / "list", hashlib.sha256((folder / "list").read_bytes()).hexdigest())
    own, given = OverridesFeed(path=folder / "overrides.json"), None
    if overrides is not None:
        write_overrides(own.path, overrides)
        fetched = OverridesSource(own, folder).look()
        assert fetched is not None
        given = Content(fetched.path, fetched.digest)
    return [Candidate(feed, None, content), Candidate(own, given, None)]


@pytest.mark.parametrize(("overrides", "allowed"), [(None, False), ([], False), ([made()], True)])
def test_override_beats_the_block_until_it_ends(folder: Path, overrides: list[Override] | None, allowed: bool) -> None:
    built = build(
        candidates(folder, overrides), folder / "ruleset", gate=Gate(), in_force=None, created=1,
        randomness=lambda n: b"k" * n,
    )  # fmt: skip
    assert built.refused == {}
    for now, allows in ((NOW, allowed), (NOW + 86400, False)):
        enforced = at_time(1, Ruleset.open(folder / "ruleset"), now)
        verdict = enforced.verdict(key_from_text("www.shop.example"))
        assert (verdict.action is Action.ALLOW) == allows
        assert enforced.verdict(key_from_text("other.example")).action is Action.SINKHOLE
        enforced.close()


def test_overrides_alone_are_no_list_that_is_enforced(folder: Path) -> None:
    alone = candidates(folder, [made()])[1:]
    built = build(alone, folder / "ruleset", gate=Gate(), in_force=None, created=1, randomness=lambda n: b"k" * n)
    assert built.header is None


def test_feed_that_never_had_an_override_changes_no_ruleset(folder: Path) -> None:
    both = candidates(folder, None)
    assert fingerprint(both) == fingerprint(both[:1])


def test_override_accepted_before_stays_where_everything_is_compiled_anew(folder: Path) -> None:
    given = [replace(one, incoming=None, accepted=one.incoming or one.accepted) for one in candidates(folder, [made()])]
    built = build(
        given, folder / "ruleset", gate=Gate(), in_force=None, created=1, randomness=lambda n: b"k" * n
    )  # fmt: skip
    assert built.lost == set()
    verdict = at_time(1, Ruleset.open(folder / "ruleset"), NOW).verdict(key_from_text("www.shop.example"))
    assert verdict.action is Action.ALLOW
