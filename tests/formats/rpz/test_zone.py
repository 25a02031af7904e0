from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.reading import read_zone
from blockd.formats.rpz.rules import RpzAction, RpzRules
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
    rules = RpzRules(RejectReport(), override)
    cut = [octets[at : at + pieces] for at in range(0, len(octets), pieces)]
    ZoneText(rules, key_from_text(zone) if zone else None).read(read_blocks(cut), "the zone")
    rules.finish()
    return rules


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
        ("bad.example CNAME .\nbad.example CNAME *.", "second CNAME"),
        (MUCH, "too much data at one name"),
    ],
)  # fmt: skip
def test_what_is_wrong_costs_one_record_and_is_told_with_its_line(line: str, reason: str) -> None:
    rules = read(f"{HEAD}{line}\ngood.example CNAME .\n")
    assert list(rules.rejects.counts) == [reason]
    assert told(rules)["good.example", "exact"] == "nxdomain"
    assert rules.junk == (0 if reason.endswith(("trigger", "CNAME")) and "unknown" not in reason else 1)
    assert rejected(rules)[reason] == [6 if reason == "second CNAME" else 5]


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
        "1 names have two CNAME recor",
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
    monkeypatch.setattr(ZoneText, "_read_plain", lambda *_: False)
    careful = read(text)
    assert told(quick) == told(careful)
    assert rejected(quick) == rejected(careful)
    assert len(told(quick)) > 300


@pytest.mark.skipif(not DATA.exists(), reason="the real policy zone is not on this machine")
def test_a_real_zone_is_read() -> None:
    rejects = RejectReport()
    rules = read_zone(DATA, rejects, 1 << 30)
    assert (rejects.accepted, rejects.rejected, rules.serial) == (138_232, 0, 1_787_386_500)
    [(answer, scope, keys)] = rules.rules()
    assert (rules.answers[answer].action, scope, len(list(keys))) == (Action.NXDOMAIN, Scope.BOTH, 69_116)
