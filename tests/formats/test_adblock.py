from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate
from blockd.formats import adblock
from blockd.formats.adblock import UNKEPT, read_adblock
from blockd.formats.finding.line import find_line
from blockd.formats.finding.lines import find_lines
from blockd.formats.rejects import RejectReport
from blockd.formats.text_formats import format_named
from blockd.names import DomainName, key_from_text
from blockd.orders import Action, Scope, Verdict
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.policy import at_time
from blockd.settings import FEED_TYPES, Feed
from tests.compile.builder import NOW, Builder, domains, reasons

BOTH, EXACT, SUBDOMAINS = Scope.BOTH, Scope.EXACT, Scope.SUBDOMAINS


def read(*lines: str) -> tuple[dict[str, Scope], RejectReport]:
    rejects = RejectReport()
    block = "".join(f"{line}\n" for line in lines).encode()
    listed = read_adblock([block] if block else [], rejects, "list")
    return {DomainName(key).text: scope for key, scope in listed.items()}, rejects


def feed(name: str = "ads", **keys: object) -> Feed:
    return FEED_TYPES["adblock"].model_validate(
        {"name": name, "type": "adblock", "path": "/srv/list", "max_size": "64K", **keys}
    )


def test_rules_and_hosts_lines_are_read_with_what_they_cover() -> None:
    listed, rejects = read(
        "[Adblock Plus 2.0]",
        "! Title: sample",
        "# also a note",
        "",
        "||both.example^",
        "|exact.example^",
        "*.under.example",
        "plain.example # note",
        "0.0.0.0 hosts.example other.example # note",
        "127.0.0.1 localhost",
        "||both.example^\r",
        "  ||blank.example^\t",
    )
    assert listed == {
        "both.example": BOTH,
        "exact.example": EXACT,
        "under.example": SUBDOMAINS,
        "plain.example": EXACT,
        "hosts.example": EXACT,
        "other.example": EXACT,
        "blank.example": BOTH,
    }
    assert (rejects.lines, rejects.accepted, rejects.rejected, rejects.skipped) == (12, 7, 0, 0)


def test_names_with_a_hyphen_at_an_end_of_a_label_are_read() -> None:
    names, rejects = read("||-sso.bad.example^", "||ads-.bad.example^")
    assert names == {"-sso.bad.example": Scope.BOTH, "ads-.bad.example": Scope.BOTH}
    assert rejects.rejected == 0


def test_scopes_of_rules_for_one_name_are_joined() -> None:
    assert read("|a.example^", "*.a.example")[0] == {"a.example": BOTH}


def test_what_is_not_about_names_is_skipped_and_no_reject() -> None:
    listed, rejects = read("||a.example^", "##.banner", "b.example##.x", "/ads/x", "||c.example^$script", "||com^")
    assert listed == {"a.example": BOTH}
    assert rejects.skips == {"cosmetic": 2, "path rule": 1, "modifier": 1}
    assert rejects.counts == {"no dot": 1}
    assert [sample.line for sample in rejects.samples["cosmetic"]] == [2, 3]
    assert rejects.share == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["||a.example^", "@@||a.example^"], {}),
        (["@@||a.example^", "||a.example^"], {}),
        (["||x.a.example^", "|a.example^", "@@||a.example^"], {}),
        (["||a.example^", "@@|a.example^"], {"a.example": SUBDOMAINS}),
        (["||a.example^", "@@||*.a.example^"], {"a.example": EXACT}),
        (["||x.a.example^", "||a.example^", "@@*.a.example"], {"a.example": EXACT}),
        (["0.0.0.0 a.example", "@@|a.example|"], {}),
        (["||a.example^", "@@||b.example^", "@@||example^"], {"a.example": BOTH}),
        (["||a.example^$important", "@@||a.example^"], {"a.example": BOTH}),
        (["||a.example^$important", "@@||a.example^$important"], {}),
        (["||a.example^", "@@||a.example^$important"], {}),
        (["|a.example^$important", "||a.example^", "@@||a.example^"], {"a.example": EXACT}),
        (["||xa.example^", "@@||a.example^"], {"xa.example": BOTH}),
        (["||a.example^", "@@||a.example^$script"], {"a.example": BOTH}),
    ],
)
def test_exceptions_take_away_what_the_list_itself_says(lines: list[str], left: Mapping[str, Scope]) -> None:
    listed, rejects = read(*lines)
    assert listed == left
    assert rejects.accepted == len(left)
    assert UNKEPT not in rejects.counts


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["||a.example^", "||a.example^$badfilter"], {}),
        (["||A.example^$badfilter", "||a.example^", "||b.example^"], {"b.example": BOTH}),
        (["||a.example^$important", "||a.example^$badfilter"], {"a.example": BOTH}),
        (["||a.example^", "||a.example^$important", "||a.example^$important,badfilter"], {"a.example": BOTH}),
        (["||a.example^$important", "||a.example^$badfilter,important"], {}),
        (["||a.example^", "||a.example$badfilter"], {"a.example": BOTH}),
        (["||a.example^", "|a.example^", "||a.example^$badfilter"], {"a.example": EXACT}),
        (["||a.example^", "@@||a.example^", "@@||a.example^$badfilter"], {"a.example": BOTH}),
        (["||a.example^$dnsrewrite=REFUSED", "||a.example^$badfilter"], {"a.example": BOTH}),
        (["||a.example^$denyallow=b.test", "||a.example^$badfilter"], {"a.example": BOTH}),
        (["||a.example^", "||a.example^$denyallow=b.test,badfilter"], {"a.example": BOTH}),
        (["||a.example^$denyallow=b.test", "||a.example^$badfilter,denyallow=B.test"], {}),
        (["||a.example^$document", "||a.example^$badfilter"], {"a.example": BOTH}),
        (["||a.example^", "||a.example^$all,badfilter"], {"a.example": BOTH}),
        (["||a.example^$all", "||a.example^$all,badfilter"], {}),
        (["||a.example^$dnsrewrite=REFUSED", "||a.example^$dnsrewrite=REFUSED,badfilter"], {}),
        (["||a.example^$dnsrewrite=REFUSED", "@@||a.example^"], {"a.example": BOTH}),
        (["||a.example^$dnsrewrite=REFUSED", "@@||a.example^$dnsrewrite"], {}),
        (["||a.example^$dnsrewrite=REFUSED", "@@||a.example^$dnsrewrite=NXDOMAIN"], {"a.example": BOTH}),
    ],
)
def test_badfilter_and_exceptions_take_away_what_they_are_for_wherever_they_stand(
    lines: list[str], left: Mapping[str, Scope]
) -> None:
    listed, rejects = read(*lines)
    again, _ = read(*reversed(lines))
    assert listed == left
    assert again == left
    assert (rejects.rejected, rejects.skipped) == (0, 0)


def test_more_ways_to_write_rules_than_there_are_cost_no_memory() -> None:
    lines = [f"|x{chr(97 + number % 26)}{chr(97 + number // 26)}://a{number}.example^" for number in range(200)]
    listed, _ = read(*lines)
    assert len(listed) == 200
    listed, rejects = read(*lines, *(f"{line}$badfilter" for line in lines))
    assert 0 < len(listed) < 200
    assert rejects.skips == {"modifier": len(listed)}


def test_an_exception_from_rewrites_that_cannot_be_kept_is_told() -> None:
    listed, rejects = read("||a.example^$dnsrewrite=NXDOMAIN", "@@||x.a.example^$dnsrewrite", "@@||y.a.example^")
    assert listed == {"a.example": BOTH}
    assert rejects.counts == {UNKEPT: 1}
    assert [(sample.line, sample.text) for sample in rejects.samples[UNKEPT]] == [(2, "@@||x.a.example^$dnsrewrite")]


def test_lines_are_bounded_and_comments_may_be_long() -> None:
    listed, rejects = read("!" + "x" * 5000, "||a.example^$domain=" + "x" * 2000, "||a.example^")
    assert listed == {"a.example": BOTH}
    assert rejects.counts == {"too long": 1}


def test_more_rules_than_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adblock, "MAX_RULES", 2)
    assert len(read("||a.example^", "||b.example^")[0]) == 2
    with pytest.raises(FeedRefused) as refused:
        read("||a.example^", "||b.example^", "@@||c.example^")
    assert refused.value.reason == "too large"


_RULES = st.builds(
    lambda before, name, behind: before + name + behind,
    st.sampled_from(["", "@@", "@@||", "||", "|", "*.", "@@*.", "0.0.0.0 "]),
    st.sampled_from(["example", "a.example", "b.a.example", "c.b.a.example", "d.example"]),
    st.sampled_from(["", "^", "^$important", "/x"]),
)


@given(st.lists(_RULES, max_size=8))
def test_the_order_of_rules_is_no_matter_and_no_exception_stays_listed(rules: list[str]) -> None:
    listed, rejects = read(*rules)
    again, _ = read(*reversed(rules))
    assert listed == again
    assert rejects.lines == len(rules)
    for name in listed:
        assert f"@@||{name}^$important" not in rules


@given(st.lists(st.binary(max_size=40)))
@example([b"\x0b", b"\x0c \x0b", b"||\x0b^"])
def test_no_bytes_break_the_reader(lines: list[bytes]) -> None:
    rejects = RejectReport()
    block = b"".join(line + b"\n" for line in lines)
    read_adblock([block] if block else [], rejects, "list")
    assert rejects.lines == block.count(b"\n")


def verdict(builds: Builder, name: str) -> Verdict:
    enforced = at_time(1, Ruleset.open(builds.path), NOW)
    found = enforced.verdict(key_from_text(name))
    enforced.close()
    return found


def blocked(builds: Builder, name: str) -> bool:
    return verdict(builds, name).touches


def resolving(builds: Builder, *names: str) -> set[str]:
    return {name for name in names if not blocked(builds, name)}


BADFILTER = (
    "||x1.example^",
    "||x2.example^",
    "||x3.example^$important",
    "||x2.example^$badfilter",
    "||x3.example^$important,badfilter",
    "@@||y.x1.example^",
    "@@||z.example^",
    "||z.example^",
    "@@||z.example^$badfilter",
)


def test_an_exception_under_a_listed_name_lets_it_resolve(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    built = builds.build(Candidate(feed(), builds.content(*BADFILTER), None))
    assert built.taken == {"ads"}
    assert built.rejects["ads"].rejected == 0
    names = ("x1.example", "a.x1.example", "y.x1.example", "a.y.x1.example", "x2.example", "x3.example", "z.example")
    assert resolving(builds, *names) == {"y.x1.example", "a.y.x1.example", "x2.example", "x3.example"}


def test_exceptions_reach_as_far_as_they_are_meant_to(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    content = builds.content(
        "||a.example^", "@@|x.a.example^", "@@||y.a.example^", "||z.y.a.example^$important",
        "||b.example^$important", "@@||x.b.example^", "@@||y.b.example^$important",
        "||c.example^$dnsrewrite=NXDOMAIN", "@@||x.c.example^",
    )  # fmt: skip
    builds.build(Candidate(feed(), content, None))
    names = (
        "x.a.example", "q.x.a.example", "y.a.example", "q.y.a.example", "z.y.a.example", "q.z.y.a.example",
        "x.b.example", "y.b.example", "x.c.example",
    )  # fmt: skip
    assert resolving(builds, *names) == {"x.a.example", "y.a.example", "q.y.a.example", "y.b.example"}


@pytest.mark.parametrize("ads_first", [True, False])
def test_an_exception_says_nothing_about_other_feeds(tmp_path: Path, *, ads_first: bool) -> None:
    builds = Builder(tmp_path)
    ads = builds.content("||a.example^", "||b.example^", "@@||y.a.example^", "@@||y.b.example^")
    one = Candidate(feed(priority=1 if ads_first else 1000), ads, None)
    builds.build(one, Candidate(domains(), builds.content("a.example"), None))
    assert resolving(builds, "y.a.example", "y.b.example") == {"y.b.example"}
    assert verdict(builds, "y.a.example").feed == "national"


def test_a_rule_with_an_answer_of_its_own_is_an_order_of_its_own(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    content = builds.content(
        "||plain.example^", "||none.example^$dnsrewrite=NXDOMAIN", "||no.example^$dnsrewrite=REFUSED",
        "||empty.example^$dnsrewrite=NOERROR", "||zero.example^$dnsrewrite=0.0.0.0", "||none.example^",
        "||other.example^$dnsrewrite=192.0.2.1",
    )  # fmt: skip
    built = builds.build(Candidate(feed(), content, None))
    assert {name: verdict(builds, f"{name}.example").action for name in ("plain", "none", "no", "empty", "zero")} == {
        "plain": Action.SINKHOLE,
        "none": Action.NXDOMAIN,
        "no": Action.REFUSED,
        "empty": Action.NODATA,
        "zero": Action.SINKHOLE,
    }
    assert builds.listed("none.example") == "ads/ads.nxdomain"
    assert built.rejects["ads"].skips == {"dnsrewrite": 1}
    assert not blocked(builds, "other.example")


def test_in_a_feed_that_only_counts_no_rule_blocks(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    content = builds.content("||a.example^", "||b.example^$dnsrewrite=NXDOMAIN")
    builds.build(Candidate(feed(action="monitor"), content, None))
    assert {verdict(builds, name).action for name in ("a.example", "b.example")} == {Action.MONITOR}


def test_exceptions_are_what_a_feed_with_allow_lists(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    allowed = builds.content(
        "@@||a.example^", "||b.example^", "@@|c.example^$important", "@@||d.example^", "@@||d.example^$badfilter",
        "||e.example^$dnsrewrite=NXDOMAIN",
    )  # fmt: skip
    names = [f"{letter}.example" for letter in "abcde"]
    built = builds.build(
        Candidate(feed(action="allow"), allowed, None), Candidate(domains(), builds.content(*names), None)
    )
    assert resolving(builds, *names) == {"a.example", "b.example", "c.example"}
    assert built.rejects["ads"].skips == {"dnsrewrite": 1}


@pytest.mark.parametrize(
    ("key", "scope", "action", "line"),
    [
        ("z.example", BOTH, Action.SINKHOLE, 8),
        ("y.x1.example", BOTH, Action.PASSTHRU, 6),
        ("z.example", BOTH, Action.ALLOW, 7),
        ("x1.example", BOTH, None, 1),
    ],
)
def test_the_line_found_is_that_of_a_rule_of_the_kind(
    tmp_path: Path, key: str, scope: Scope, action: Action | None, line: int
) -> None:
    (tmp_path / "list").write_text("\n".join(BADFILTER) + "\n", "ascii")
    form = format_named("adblock")
    found = find_line(form, tmp_path / "list", key_from_text(key), 1000, scope, action)
    assert found is not None
    assert found.number == line
    many = find_lines(form, tmp_path / "list", [key_from_text(key)], 1000, action)
    assert [one.number for one in many.values()] == [line]


def test_each_rule_is_enforced_in_its_scope(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    content = builds.content(
        "||both.example^", "|exact.example^", "*.under.example", "@@||gone.example^", "gone.example"
    )
    built = builds.build(Candidate(feed(), content, None))
    assert built.taken == {"ads"}
    assert built.header is not None
    assert built.header.names == 3
    assert {
        name: blocked(builds, name)
        for name in ("both.example", "x.both.example", "exact.example", "x.exact.example", "under.example")
    } == {
        "both.example": True,
        "x.both.example": True,
        "exact.example": True,
        "x.exact.example": False,
        "under.example": False,
    }
    assert blocked(builds, "x.under.example")
    assert not blocked(builds, "gone.example")


def test_an_exception_is_no_allow_for_other_feeds(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    ads = builds.content("||a.example^", "||b.example^", "@@||a.example^")
    built = builds.build(Candidate(feed(), ads, None), Candidate(domains(), builds.content("a.example"), None))
    assert built.taken == {"ads", "national"}
    assert builds.listed("a.example") == "national/national"
    assert builds.listed("b.example") == "ads/ads"


def test_an_honest_browser_list_is_not_refused_for_what_is_not_about_names(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    lines = [f"site{number}.example##.banner" for number in range(500)] + ["||ads.example^"]
    built = builds.build(Candidate(feed(), builds.content(*lines), None), gate=Gate(max_rejects=0.0))
    assert built.taken == {"ads"}
    assert built.rejects["ads"].skips == {"cosmetic": 500}


def test_junk_is_refused_all_the_same(tmp_path: Path) -> None:
    builds = Builder(tmp_path)
    lines = ["||ads.example^", "||com^", "||net^"]
    assert reasons(builds.build(Candidate(feed(), builds.content(*lines), None))) == {"ads": "rejects"}
    nothing = builds.content("##.banner", "/ads/x")
    assert reasons(builds.build(Candidate(feed(), nothing, None))) == {"ads": "empty"}
    cut = builds.octets(gzip.compress(b"||ads.example^\n")[:-3])
    assert reasons(builds.build(Candidate(feed(), cut, None))) == {"ads": "cut"}
