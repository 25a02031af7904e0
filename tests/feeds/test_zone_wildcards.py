"""Wildcards of policy zones match as those of any zone do (RFC 4592), in Python and in C."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.feeds.candidate import Candidate
from blockd.names import key_from_text
from blockd.orders import Action
from blockd.ruleset.explain import explain
from tests.compile.builder import Builder, domains
from tests.effort import tries
from tests.feeds.test_zone_orders import rpz, zone
from tests.resolver.twins import RULINGS
from tests.ruleset.test_table import Opened

PARTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(".".join)
OWNERS = st.tuples(st.sampled_from(("", "*.")), PARTS).map("".join)
TARGETS = {".": Action.NXDOMAIN, "*.": Action.NODATA, "rpz-passthru.": Action.PASSTHRU}


def found_by_rfc_4592(rules: dict[str, str], name: str) -> Action | None:
    """Return the action for a name as section 3.3 finds it in a zone of these rules."""
    exists = {owner.split(".", cut)[-1] for owner in rules for cut in range(owner.count(".") + 1)}
    if name in exists:
        return TARGETS[rules[name]] if name in rules else None
    while name and name not in exists:
        name = name.partition(".")[2]
    return TARGETS[rules[f"*.{name}"]] if f"*.{name}" in rules else None


@given(st.dictionaries(OWNERS, st.sampled_from(sorted(TARGETS)), min_size=1, max_size=8), st.lists(PARTS, max_size=30))
@settings(max_examples=tries(100, 3_000), deadline=None)
def test_a_wildcard_matches_as_in_any_zone(rules: dict[str, str], names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(Path(folder))
        text = "".join(f"{owner}.test CNAME {target}\n" for owner, target in rules.items())
        also = Candidate(domains(action="monitor"), builder.content("a.b.test", "c.a.test"), None)
        builder.build(zone(builder, rpz(), text), also)
        [record] = [feed for feed in builder.catalogue().feeds if feed.name == "zone"]
        listed = {owner.removeprefix("*.") for owner in rules}
        assert record.names == len(listed)
        with Opened(builder.path) as opened:
            header = opened.ruleset.header
            assert header.entries == header.names == len(list(opened.ruleset.entries())) == len(listed | {"a.b", "c.a"})
            told, expected = {}, {}
            for name in [*names, *listed]:
                found = opened.enforced.verdict(key := key_from_text(f"{name}.test"))
                told[name] = None if found.action is Action.MONITOR else found.action
                expected[name] = found_by_rfc_4592(rules, name)
                ruling, index, *_ = opened.table.verdict(key)
                assert (ruling, index if ruling else None) == (RULINGS[found.reason], found.order_index), name
            assert told == expected


def test_the_empty_name_that_closes_a_wildcard_is_told(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    builder.build(zone(builder, rpz(), "*.x.example CNAME .\nd.a.b.x.example CNAME .\nc.x.example CNAME *.\n"))
    with Opened(builder.path) as opened:
        told = {}
        for name in ("c.b.x.example", "z.c.x.example"):
            explained = explain(opened.enforced, name)
            assert explained.verdict == "resolved"
            assert explained.ruleset is not None
            [told[name]] = [claim.because for claim in explained.ruleset.claims]
        assert told == {
            "c.b.x.example": "zone zone has names below b.x.example, which so exists in it, and no wildcard above that "
            "matches there",
            "z.c.x.example": "zone zone has c.x.example, and no wildcard above that matches below it",
        }
