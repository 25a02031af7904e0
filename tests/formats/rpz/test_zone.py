from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz import sorted_rules
from blockd.formats.rpz.action import RpzAction
from blockd.formats.rpz.apex import Apex, find_apex
from blockd.formats.rpz.reading import read_zone, zone_rules
from blockd.formats.rpz.rules import RpzRules
from blockd.formats.rpz.zone import ZoneText
from blockd.names import key_from_text
from blockd.orders import Action, Entry, Scope
from tests.places import SHARED

DATA = SHARED / "data" / "hagezi-pro-plus-mini.rpz.gz"
HEAD = "$TTL 60\n$ORIGIN rpz.example.\n@ SOA localhost. root.localhost. 5 3600 600 86400 60\n@ NS localhost.\n"

MUCH = "bad.example" + "\n".join(" TXT " + " ".join([octet * 200] * 4) for octet in "abcdefg")

Told = dict[tuple[str, str], str]


def read(text: str | bytes, zone: str = "", override: RpzAction | None = None, pieces: int = 1 << 20) -> RpzRules:
    octets = text if isinstance(text, bytes) else text.encode()
    cut = [octets[at : at + pieces] for at in range(0, len(octets), pieces)]
    key = key_from_text(zone) if zone else None
    apex = find_apex(read_blocks(cut), "the zone") if key is None else Apex(key, key)
    return zone_rules(read_blocks(cut), "the zone", RpzRules(RejectReport(), override), apex)


def told(rules: RpzRules) -> Told:
    """Return what each entry does, by its text and scope."""
    found: Told = {}
    for answer, scope, keys in rules.rules():
        given = rules.answers[answer]
        what = given.target or " ".join(f"{r.type}:{r.ttl}:{r.data.hex()}" for r in given.records)
        found |= {(Entry(key).text, scope.text): f"{given.action} {what}".strip() for key in keys}
    return found


def rejected(rules: RpzRules) -> dict[str, list[int]]:
    return {reason: [s.line for s in samples] for reason, samples in rules.rejects.samples.items()}


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("bad.example CNAME .", {("bad.example", "exact"): "nxdomain"}),
        ("com CNAME .", {("com", "exact"): "nxdomain"}),
        ("*.zip CNAME .", {("zip", "subdomains"): "nxdomain"}),
        ("*.id CNAME rpz-passthru.", {("id", "subdomains"): "passthru"}),
        ("id CNAME id.", {("id", "exact"): "passthru"}),
        ("BAD.Example IN 60 cname .", {("bad.example", "exact"): "nxdomain"}),
        ("bad.example 1h IN CNAME *.", {("bad.example", "exact"): "nodata"}),
        ("*.bad.example CNAME .\r", {("bad.example", "subdomains"): "nxdomain"}),
        ("bad.example CNAME rpz-passthru.", {("bad.example", "exact"): "passthru"}),
        ("bad.example CNAME bad.example.", {("bad.example", "exact"): "passthru"}),
        ("bad.example CNAME rpz-drop. ; why", {("bad.example", "exact"): "drop"}),
        ("bad.example CNAME rpz-tcp-only.", {("bad.example", "exact"): "tcp-only"}),
        ("bad.example CNAME landing.example.", {("bad.example", "exact"): "cname landing.example"}),
        ("bad.example CNAME landing", {("bad.example", "exact"): "cname landing.rpz.example"}),
        ("bad.example CNAME *.garden.example.", {("bad.example", "exact"): "cname *.garden.example"}),
        ("bad.example 30 A 192.0.2.1", {("bad.example", "exact"): "local 1:30:c0000201"}),
        ("bad.example IN 1w2d3h4m5s A 192.0.2.1", {("bad.example", "exact"): "local 1:788645:c0000201"}),
        ("bad.example 1H30m IN A 192.0.2.1", {("bad.example", "exact"): "local 1:5400:c0000201"}),
        ("bad.example 2147483647 A 192.0.2.1", {("bad.example", "exact"): "local 1:2147483647:c0000201"}),
        ("bad.example 2147483648 A 192.0.2.1", {("bad.example", "exact"): "local 1:0:c0000201"}),
        ("bad.example 4294967295 A 192.0.2.9", {("bad.example", "exact"): "local 1:0:c0000209"}),
        ("$TTL 4294967295\nbad.example A 192.0.2.9", {("bad.example", "exact"): "local 1:0:c0000209"}),
        ("$TTL 0\nbad.example A 192.0.2.9", {("bad.example", "exact"): "local 1:0:c0000209"}),
        ("bad.example CLASS1 60 CNAME .", {("bad.example", "exact"): "nxdomain"}),
        (r"bad.example TYPE5 \# 1 00", {("bad.example", "exact"): "nxdomain"}),
        ("32.1.2.0.192.rpz-ip CNAME 32.1.2.0.192.", {("192.0.2.1", "both"): "passthru"}),
        ("48.zz.1.db8.2001.rpz-ip CNAME 48.zz.1.db8.2001.", {("2001:db8:1::/48", "both"): "passthru"}),
        ("24.0.2.0.192.rpz-client-ip CNAME 24.0.2.0.192.", {("client 192.0.2.0/24", "both"): "passthru"}),
        ("bad.example.rpz.example. CNAME .", {("bad.example", "exact"): "nxdomain"}),
        ("bad.example ( CNAME\n\n ; within\n . )", {("bad.example", "exact"): "nxdomain"}),
        (r"b\097d.example CNAME .", {("bad.example", "exact"): "nxdomain"}),
        (r"a\.b.example CNAME .", {(r"a\046b.example", "exact"): "nxdomain"}),
        ("a.example CNAME .\n*.a.example CNAME .", {("a.example", "both"): "nxdomain"}),
        (
            "a.example CNAME .\n*.a.example CNAME *.",
            {("a.example", "exact"): "nxdomain", ("a.example", "subdomains"): "nodata"},
        ),
        (
            "a.example A 192.0.2.1\n\tAAAA 2001:db8::1",
            {("a.example", "exact"): "local 1:60:c0000201 28:60:20010db8" + "0" * 23 + "1"},
        ),
        ('a.example TXT "a;b" "c ( d"', {("a.example", "exact"): "local 16:60:03613b62" + "0563202820" + "64"}),
        (r"a.example TYPE65280 \# 2 0102", {("a.example", "exact"): "local 65280:60:0102"}),
        ("24.0.2.0.192.rpz-ip CNAME .", {("192.0.2.0/24", "both"): "nxdomain"}),
        ("32.1.2.0.192.rpz-ip CNAME *.", {("192.0.2.1", "both"): "nodata"}),
        ("48.zz.1.db8.2001.rpz-ip CNAME .", {("2001:db8:1::/48", "both"): "nxdomain"}),
        ("24.0.2.0.192.rpz-client-ip CNAME .", {("client 192.0.2.0/24", "both"): "nxdomain"}),
        ("64.zz.1.db8.2001.rpz-client-ip CNAME rpz-drop.", {("client 2001:db8:1::/64", "both"): "drop"}),
        ("128.1.zz.rpz-ip CNAME .", {("::1", "both"): "nxdomain"}),
        ("128.57.zz.101.db8.2001.rpz-ip CNAME .", {("2001:db8:101::57", "both"): "nxdomain"}),
        ("$ORIGIN com\nbad CNAME .", {("bad.com", "exact"): "nxdomain"}),
        (
            "$ORIGIN example.com.rpz.example.\nbad CNAME .\n@ CNAME .\n*.x CNAME .",
            {
                ("bad.example.com", "exact"): "nxdomain",
                ("example.com", "exact"): "nxdomain",
                ("x.example.com", "subdomains"): "nxdomain",
            },
        ),
        ("$TTL 1m\nbad.example A 192.0.2.1", {("bad.example", "exact"): "local 1:60:c0000201"}),
        ("x.rpz-ip.example CNAME .", {("x.rpz-ip.example", "exact"): "nxdomain"}),
        ("bad.example RRSIG A 8 2 60 20300101000000 20200101000000 1 x. AAAA", {}),
    ],
)
def test_a_record_is_the_rule_that_it_says(line: str, entry: Told) -> None:
    rules = read(f"{HEAD}{line}\n")
    assert (told(rules), rules.rejects.counts) == (entry, {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("32.1.2.192.rpz-client-ip CNAME .", "bad address"),
        ("ns.example.rpz-nsdname CNAME .", "NSDNAME trigger"),
        ("32.1.2.0.192.rpz-nsip CNAME .", "NSIP trigger"),
        ("x.rpz-later CNAME .", "unknown trigger"),
        ("bad.example CNAME rpz-later.", "unknown action"),
        ("bad.example CNAME x.rpz-drop.", "unknown action"),
        ("33.1.2.0.192.rpz-ip CNAME .", "bad prefix"),
        ("0.0.0.0.0.rpz-ip CNAME .", "bad prefix"),
        ("024.0.2.0.192.rpz-ip CNAME .", "bad prefix"),
        ("24.1.2.0.192.rpz-ip CNAME .", "host bits set"),
        ("24.0.2.192.rpz-ip CNAME .", "bad address"),
        ("32.1.2.0.256.rpz-ip CNAME .", "bad address"),
        ("128.zz.1.zz.rpz-ip CNAME .", "bad address"),
        (r"128.1.zz.fe80%eth0.rpz-ip CNAME .", "bad address"),
        ("rpz-ip CNAME .", "bad address"),
        ("* CNAME .", "no dot"),
        ("@ CNAME .", "CNAME at the apex"),
        ("bad.example CNAME", "bad data"),
        ("bad.example CNAME a b", "bad data"),
        ("bad.example A 192.0.2.256", "bad data"),
        ("bad.example TYPE1 \\# 3 010203", "bad data"),
        ("bad.example", "no type"),
        ("bad.example WHAT x", "unknown type"),
        ("bad.example 4294967296 CNAME .", "bad TTL"),
        (f"bad.example {'1' * 46} CNAME .", "bad TTL"),
        (f"bad.example {'1' * 46}x CNAME .", "unknown type"),
        (f"bad.example {'1w' * 400}x CNAME .", "unknown type"),
        (f"$TTL {'1' * 300}", "bad TTL"),
        ("bad.example CH A 192.0.2.1", "class is not IN"),
        ("bad.example NS ns.example.", "type not allowed as local data"),
        ("bad.example DNAME other.example.", "type not allowed as local data"),
        ("bad..example CNAME .", "empty label"),
        (f"{'x' * 64}.example CNAME .", "label too long"),
        (f"{'x.' * 130}example CNAME .", "too long"),
        (f"bad.example TXT {'x' * 1100}", "too long"),
        ("bäd.example CNAME .", "bad character"),
        (r"b\999.example CNAME .", "bad character"),
        ("bad.example.other. CNAME .", "outside of the zone"),
        ('bad.example TXT "open', "bad text"),
        ("bad.example CNAME . )", "bad text"),
        ("bad.example CNAME a\\001b.example.", "target is not a host name"),
        ("$INCLUDE other.zone", "$INCLUDE is not followed"),
        ("$GENERATE 1-9 x$ CNAME .", "$GENERATE is not expanded"),
        ("$LATER", "unknown directive"),
        ("bad.example CNAME .\nbad.example CNAME *.", "second rule of a name"),
        (MUCH, "too much data at one name"),
    ],
)  # fmt: skip
def test_what_is_wrong_costs_one_record_and_is_told_with_its_line(line: str, reason: str) -> None:
    rules = read(f"{HEAD}{line}\ngood.example CNAME .\n")
    assert list(rules.rejects.counts) == [reason]
    assert told(rules)["good.example", "exact"] == "nxdomain"
    assert rules.junk == (0 if reason.endswith(("trigger", "of a name")) and "unknown" not in reason else 1)
    assert rejected(rules)[reason] == [6 if reason == "second rule of a name" else 5]


def test_a_record_in_several_lines_has_the_number_of_the_first() -> None:
    rules = read(f"{HEAD}good.example CNAME .\nbad.example ( A\n 192.0.2.256\n)\nmore.example CNAME .\n")
    assert rejected(rules) == {"bad data": [6]}
    assert len(told(rules)) == 2


def test_what_is_wrong_within_parentheses_leaves_no_rule_behind() -> None:
    rules = read(f'{HEAD}bad.example (\n "open\n evil.example CNAME . )\n')
    assert (told(rules), rejected(rules)) == ({}, {"bad text": [5]})


def test_an_owner_that_is_wrong_takes_what_is_left_out_behind_it_along() -> None:
    rules = read(f"{HEAD}good.example A 192.0.2.1\nbad..example A 192.0.2.2\n A 192.0.2.3\n")
    assert told(rules) == {("good.example", "exact"): "local 1:60:c0000201"}
    assert rejected(rules) == {"empty label": [6], "no owner": [7]}


def test_a_wrong_origin_makes_no_name_relative_to_another() -> None:
    rules = read(f"{HEAD}$ORIGIN a..b\nbad CNAME .\n$ORIGIN com.rpz.example.\ngood CNAME .\n")
    assert (told(rules), list(rules.rejects.counts)) == (
        {("good.com", "exact"): "nxdomain"},
        ["empty label", "no origin"],
    )


@pytest.mark.parametrize(
    "head",
    [
        "@ SOA l. r. 5 1 1 1 1\n@ NS l.\nbad.example CNAME .\n",
        "rpz.example. SOA l. r. 5 1 1 1 1\n NS l.\nbad.example CNAME .\n",
        "rpz.example. SOA l. r. 5 1 1 1 1\n NS l.\nbad.example.rpz.example. CNAME .\n",
        "$ORIGIN .\nrpz.example SOA l. r. 5 1 1 1 1\n NS l.\nbad.example.rpz.example CNAME .\n",
        "$ORIGIN .\nrpz.example SOA l. r. 5 1 1 1 1\n NS l.\n$ORIGIN example.rpz.example.\nbad CNAME .\n",
        "$ORIGIN rpz.example.\n@ SOA l. r. 5 1 1 1 1\n@ NS l.\nbad.example CNAME .\n",
        "\ufeff@ SOA l. r. 5 1 1 1 1\n@ NS l.\nbad.example CNAME .\n",
    ],
)
def test_the_zones_name_is_found(head: str) -> None:
    rules = read(head)
    assert told(rules) == {("bad.example", "exact"): "nxdomain"}
    assert (rules.serial, rules.rejects.counts, rules.rejects.warnings) == (5, {}, [])


RULES = "nxd-1.blocked{0} 30 CNAME .\n*.ads2.example{0} 60 IN CNAME *.\nc.example{0} A 192.0.2.9\n"
SOA_RECORD = "SOA l. r. ( 5 1\n 1 1 ; within\n 1 )\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{RULES.format('.rpz.test.')}rpz.test. NS l.\nrpz.test. {SOA_RECORD}",
        f"{RULES.format('.rpz.test.')}rpz.test. NS l.\n 60 IN {SOA_RECORD}",
        f"$ORIGIN .\n{RULES.format('.rpz.test')}rpz.test NS l.\nrpz.test {SOA_RECORD}",
        f"$ORIGIN rpz.test.\n{RULES.format('')}@ NS l.\n@ {SOA_RECORD}",
        f"{RULES.format('')}rpz.test. NS l.\nrpz.test. {SOA_RECORD}",
        (
            f"$ORIGIN example.rpz.test.\n*.ads2 CNAME *.\n$ORIGIN test.\nrpz {SOA_RECORD} NS l.\n$ORIGIN rpz\n"
            "nxd-1.blocked CNAME .\nc.example A 192.0.2.9\n"
        ),
        (
            f"{RULES.format('.rpz.test.')}$ORIGIN test.\nsoa.rpz TXT SOA\n$ORIGIN test.\nrpz 1h TYPE6 "
            f"{SOA_RECORD[4:]}rpz NS l.\n"
        ),
    ],
)
def test_the_zones_name_is_the_owner_of_its_soa_wherever_that_stands(text: str) -> None:
    rules = read(text)
    found = told(rules)
    found.pop(("soa", "exact"), None)
    assert {name: action.split(":")[0] for name, action in found.items()} == {
        ("nxd-1.blocked", "exact"): "nxdomain",
        ("ads2.example", "subdomains"): "nodata",
        ("c.example", "exact"): "local 1",
    }
    assert (rules.serial, rules.rejects.counts, rules.rejects.warnings) == (5, {}, [])


def test_a_zone_without_soa_whose_names_are_absolute_keeps_them() -> None:
    rules = read("bad.example. CNAME .\n*.bad.example. CNAME .\n")
    assert told(rules) == {("bad.example", "both"): "nxdomain"}
    assert "no SOA record" in rules.rejects.warnings[0]


TWO_RULES = """\
d1.example CNAME .
m1.example CNAME .
m2.example CNAME *.
d1.example CNAME rpz-passthru.
d2.example CNAME rpz-passthru.
m3.example CNAME .
d2.example CNAME .
d3.example CNAME *.
m4.example CNAME .
d3.example CNAME .
d4.example CNAME .
d5.example A 192.0.2.1
m5.example CNAME .
d4.example A 192.0.2.1
d4.example AAAA 2001:db8::1
d5.example CNAME .
d5.example A 192.0.2.2
*.d6.example CNAME .
d6.example CNAME *.
m6.example CNAME .
*.d6.example CNAME *.
d1.example CNAME .
24.0.2.0.192.rpz-ip CNAME .
m7.example CNAME .
24.0.2.0.192.rpz-ip CNAME *.
"""


@pytest.mark.parametrize("in_memory", [1, 2, 7, 200_000])
def test_the_first_rule_of_a_name_counts_wherever_the_second_stands(
    monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(sorted_rules, "MAX_IN_MEMORY", in_memory)
    monkeypatch.setattr(sorted_rules, "_READ", 1)
    monkeypatch.setattr(sorted_rules, "_LEAST", 64)
    rules = read(HEAD + TWO_RULES)
    found = told(rules)
    assert [found[f"d{number}.example", "exact"].split(":")[0] for number in range(1, 7)] == [
        "nxdomain", "passthru", "nodata", "nxdomain", "local 1", "nodata"
    ]  # fmt: skip
    assert found["d5.example", "exact"] == "local 1:60:c0000201 1:60:c0000202"
    assert found["d6.example", "subdomains"] == "nxdomain"
    assert found["192.0.2.0/24", "both"] == "nxdomain"
    assert rules.rejects.counts == {"second rule of a name": 7}
    assert rules.rejects.accepted == len(TWO_RULES.splitlines()) - 7
    [warning] = rules.rejects.warnings
    assert warning.startswith(
        "7 rules are without effect, since another rule for the same name or network stands before"
    )
    samples = {sample.text: sample.line for sample in rules.rejects.samples["second rule of a name"]}
    assert samples["d1.example: its rule is on line 5"] == 8
    assert samples["d3.example: its rule is on line 12"] == 14
    assert samples["d5.example: its rule is on line 16"] == 20


def test_what_is_said_of_a_name_is_the_same_in_any_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)  # noqa: S311 - a test repeats itself
    keys = [
        key_from_text(f"{chance.choice('ab')}.{chance.choice('abc')}.n{chance.randrange(40)}.example")
        for _ in range(900)
    ]
    put = [(key, chance.choice((1, 2, 3)), chance.randrange(3), line) for line, key in enumerate(keys, 1)]
    expected: dict[tuple[bytes, int], int] = {}
    lost = set()
    for key, scope, answer, _line in put:
        for side in (1, 2):
            if scope & side and expected.setdefault((key, side), answer) != answer:
                lost.add((key, side, answer))
    for in_memory in (1, 10, 300, 100_000):
        monkeypatch.setattr(sorted_rules, "MAX_IN_MEMORY", in_memory)
        monkeypatch.setattr(sorted_rules, "_LEAST", 100)
        monkeypatch.setattr(sorted_rules, "_READ", 1)
        rules = sorted_rules.SortedRules()
        for rule in put:
            rules.put(*rule)
        said = list(rules)
        assert [key for key, *_ in said] == sorted(set(keys))
        assert {(key, side): a for key, *answers, _ in said for side, a in zip((1, 2), answers, strict=True)
                if a is not None} == expected  # fmt: skip
        assert {key for key, *_, gone in said if gone} == {key for key, _, _ in lost}


GARDEN = """\
events.one.example CNAME 10
events.two.example CNAME garden.local
10 A 192.168.1.10
garden.local 30 A 192.168.1.11
garden.local TXT "inside"
under.example CNAME a.b.wild.local
*.wild.local A 192.168.1.12
*.star.example CNAME *.wild.local
hop.example CNAME hop.local
hop.local CNAME step.local
step.local CNAME landing.example.
outside.example CNAME landing.example.
"""


def test_an_alias_to_a_name_of_the_zone_has_the_zones_own_data() -> None:
    rules = read(HEAD + GARDEN)
    found = {name: what for (name, _), what in told(rules).items()}
    assert (found["events.one.example"], found["events.two.example"]) == (
        "cname 10.rpz.example", "cname garden.local.rpz.example"
    )  # fmt: skip
    data = {answer.target: [record.data for record in answer.records] for answer in rules.answers}
    assert data["10.rpz.example"] == [b"\xc0\xa8\1\x0a"]
    assert data["garden.local.rpz.example"] == [b"\xc0\xa8\1\x0b", b"\6inside"]
    assert data["a.b.wild.local.rpz.example"] == data["*.wild.local.rpz.example"] == [b"\xc0\xa8\1\x0c"]
    assert data["landing.example"] == []
    assert found["hop.example"] == found["outside.example"] == "cname landing.example"
    [warning] = rules.rejects.warnings
    assert warning == (
        "2 names of the zone that rules lead to are aliases themselves, such as hop.local.rpz.example: the rules lead "
        "to where these end."
    )


@pytest.mark.parametrize(
    "data",
    ["", "10 CNAME .\n", "10 CNAME 10\n", "10 CNAME 11\n11 CNAME 10\n", "*.10 A 192.0.2.1\n", "1.10 A 192.0.2.1\n"],
)
def test_an_alias_to_a_name_of_the_zone_without_data_is_warned_of(data: str) -> None:
    rules = read(f"{HEAD}events.one.example CNAME 10\n{data}")
    assert told(rules)["events.one.example", "exact"] == "cname 10.rpz.example"
    warning = rules.rejects.warnings[-1]
    assert "names of the zone that rules lead to have no data in it, such as 1" in warning
    assert warning.endswith(".rpz.example: upstreams are asked for them.")


def test_a_chain_of_aliases_in_the_zone_has_an_end() -> None:
    chain = "".join(f"n{number} CNAME n{number + 1}\n" for number in range(40))
    assert told(read(f"{HEAD}{chain}n40 CNAME landing.example.\n"))["n39", "exact"] == "cname landing.example"
    assert told(read(f"{HEAD}{chain}n40 CNAME landing.example.\n"))["n0", "exact"] == "cname n1.rpz.example"


def test_with_an_override_no_target_is_followed() -> None:
    rules = read(HEAD + GARDEN, override=RpzAction(Action.CNAME, "*.garden.example"))
    assert rules.answers == [RpzAction(Action.CNAME, "*.garden.example")]
    assert rules.rejects.warnings == []


def test_the_zones_name_may_be_told() -> None:
    rules = read("bad.example.rpz.example. CNAME .\nworse.example CNAME .\n", zone="rpz.example")
    assert set(told(rules)) == {("bad.example", "exact"), ("worse.example", "exact")}


def test_a_zone_without_soa_or_ns_or_with_two_cnames_is_taken_with_a_warning() -> None:
    rules = read("bad.example CNAME .\nbad.example CNAME *.\n")
    assert told(rules) == {("bad.example", "exact"): "nxdomain"}
    assert rules.serial is None
    assert [sentence.split(",")[0][:28] for sentence in rules.rejects.warnings] == [
        "The zone has no SOA record: ",
        "The zone has no NS record; o",
        "1 rules are without effect",
    ]


def test_records_of_one_name_are_one_answer_wherever_they_stand() -> None:
    rules = read(f"{HEAD}a.example A 192.0.2.1\nb.example A 192.0.2.1\na.example A 192.0.2.2\nb.example A 192.0.2.2\n")
    assert len(rules.answers) == 1
    assert set(told(rules)) == {("a.example", "exact"), ("b.example", "exact")}


@pytest.mark.parametrize("action", [Action.MONITOR, Action.NXDOMAIN, Action.DROP])
def test_an_override_is_what_all_rules_do(action: Action) -> None:
    text = f"{HEAD}a.example CNAME .\n*.a.example CNAME x.example.\nb.example A 192.0.2.1\n"
    rules = read(text, override=RpzAction(action))
    assert told(rules) == {("a.example", "both"): str(action), ("b.example", "exact"): str(action)}


def test_too_many_different_answers_are_rejected() -> None:
    rules = read(HEAD + "".join(f"n{number}.example CNAME t{number}.example.\n" for number in range(1010)))
    assert rules.rejects.counts == {"too many different answers": 10}
    assert len(rules.answers) == 1000


def test_a_zone_that_ends_within_parentheses_is_refused() -> None:
    with pytest.raises(FeedRefused) as refused:
        read(HEAD + "bad.example ( CNAME\n .\n")
    assert refused.value.reason == "cut"


def test_a_zone_whose_last_line_has_no_line_feed_is_taken_whole() -> None:
    rules = read(HEAD + "bad.example CNAME .")
    assert rules.rejects.accepted == read(HEAD + "bad.example CNAME .\n").rejects.accepted
    assert rules.rejects.counts == {}


def test_a_zone_without_a_rule_is_read_with_its_serial(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(HEAD)
    rules = read_zone(path, RejectReport(), 1 << 20)
    assert (rules.answers, list(rules.rules())) == ([], [])
    assert rules.serial is not None


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_octets_are_rules_or_rejected(octets: bytes, pieces: int) -> None:
    try:
        rules = read(HEAD.encode() + octets + b"\n", pieces=pieces)
    except FeedRefused:
        return
    assert all(key for _, _, keys in rules.rules() for key in keys)


WORDS = [
    "a.example",
    "*.a.example",
    "@",
    "A",
    "192.0.2.1",
    "CNAME",
    ".",
    "*.",
    "IN",
    "60",
    "(",
    ")",
    "\n",
    "\t",
    ";",
    '"',
]


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.integers(1, 40))
def test_pieces_make_no_difference(words: list[str], pieces: int) -> None:
    text = HEAD + " ".join(words) + "\n"
    found = []
    for size in (pieces, 1 << 20):
        try:
            rules = read(text, pieces=size)
            found.append((told(rules), rejected(rules)))
        except FeedRefused as refused:
            found.append(({}, {refused.reason: []}))
    assert found[0] == found[1]


def test_the_quick_way_gives_what_the_careful_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)  # noqa: S311 - a test repeats itself
    parts = ["a", "B", "x" * 63, "x" * 64, "", "*", "c-d", "_e", "rpz-ip", "1", "32"]
    owners = [".".join(chance.choices(parts, k=chance.randint(1, 6))) + chance.choice(["", "", ".", ".rpz.example."])
              for _ in range(3000)]  # fmt: skip
    lines = [f"{owner} CNAME {chance.choice(['.', '*.', 'a.b.', 'rel', '*.x.y.', 'rpz-drop.'])}\n" for owner in owners]
    text = HEAD + "".join(lines)
    quick = read(text)
    monkeypatch.setattr(ZoneText, "take_plain", lambda *_: False)
    careful = read(text)
    assert told(quick) == told(careful)
    assert rejected(quick) == rejected(careful)
    assert len(told(quick)) > 300


# Lines of zones that are nothing but tiny records, many of which are rejected; some are the parts of one.
TINY_LINES = (
    "a (", ")", " a(", "(", "a", '"', 'a "', "($a)", "$x", "$x(", "a A", "b A ::", " A ::", "b NS .", "b TXT 1",
    "\\", "a\\", " (", ";", "", "(a", "(A)", "a)", "( A", "@ NS .", "c.", "c. A",
)  # fmt: skip


@given(st.lists(st.sampled_from(TINY_LINES), max_size=25))
def test_tiny_records_are_read_as_if_they_were_new(lines: list[str]) -> None:
    text = HEAD + "b A 192.0.2.1\n" + "".join(f"{line}\nc A 192.0.2.2\n{line}\n A 192.0.2.3\n" for line in lines)
    found = []
    for is_careful in (False, True):
        with pytest.MonkeyPatch.context() as patched:
            if is_careful:
                patched.setattr("blockd.formats.rpz.zone.MAX_TINY", 0)
                patched.setattr("blockd.formats.rpz.record_text.MAX_TINY", 0)
            try:
                rules = read(text)
                found.append((told(rules), rejected(rules), rules.rejects.counts))
            except FeedRefused as refused:
                found.append(({}, {refused.reason: []}, {}))
    assert found[0] == found[1]


@pytest.mark.parametrize("line", ['a "', "($x)", "a (\n)", " a(\n)", "(\n$x)", 'a(\n"\n)'])
def test_a_rejected_record_leaves_the_owner_that_it_left_at_first(line: str) -> None:
    text = f"b A 192.0.2.1\n{line}\nc A 192.0.2.2\n{line}\n A 192.0.2.3\n"
    rules = read(HEAD + text)
    alone = read(HEAD + text.replace(f"{line}\n", "", 1))
    entry = ("c", "exact")
    assert told(rules).get(entry) == told(alone).get(entry)
    assert rules.rejects.rejected == alone.rejects.rejected + 1


@pytest.mark.skipif(not DATA.exists(), reason="the real policy zone is not on this machine")
def test_a_real_zone_is_read() -> None:
    rejects = RejectReport()
    rules = read_zone(DATA, rejects, 1 << 30)
    assert (rejects.accepted, rejects.rejected, rules.serial) == (138_232, 0, 1_787_386_500)
    [(answer, scope, keys)] = rules.rules()
    assert (rules.answers[answer].action, scope, len(list(keys))) == (Action.NXDOMAIN, Scope.BOTH, 69_116)
