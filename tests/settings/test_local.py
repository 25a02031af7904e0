"""What the config says of local and forwarded zones, and what is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.names import key_from_text
from blockd.settings import Settings, ZoneRecord, load
from blockd.settings.local import MAX_ADDRESSES, MAX_NAMES
from blockd.settings.zone_records import MAX_ALIASES, MAX_RECORD_TEXT, MAX_RECORDS, records_of

KEY = key_from_text("corp.example")


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "blockd.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load(path)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_nothing_is_local_or_forwarded_by_default() -> None:
    settings = Settings.model_validate({}, context={"folder": None})
    assert (settings.local.zones, settings.local.names, settings.local.defaults) == ((), (), True)
    assert (settings.forward, settings.canaries) == ((), False)


def test_records_are_read_as_in_a_zone_file() -> None:
    texts = [
        "www 300 A 192.0.2.1",
        "WWW\tIN\t300  A   192.0.2.1",
        "www.corp.example. 300 IN A 192.0.2.1 ; a comment",
        "@ 1h MX 10 mail",
        "*.x AAAA 2001:db8::1",
        'txt TXT "a;b" c',
    ]
    assert records_of("corp.example", texts) == (
        (
            ZoneRecord(KEY + b"\3www", 1, 300, b"\xc0\0\2\1"),
            ZoneRecord(KEY, 15, 3600, b"\0\x0a\4mail\4corp\7example\0"),
            ZoneRecord(KEY + b"\1x\1*", 28, 3600, bytes.fromhex("20010db8000000000000000000000001")),
            ZoneRecord(KEY + b"\3txt", 16, 3600, b"\3a;b\1c"),
        ),
        [],
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("www A 192.0.2.300", "cannot be read"),
        ("www", "expected one record"),
        ("", "expected one record"),
        ("; a comment", "cannot be read"),
        ("$INCLUDE /etc/passwd", "cannot be read"),
        ("$GENERATE 1-9 h$ A 192.0.2.$", "cannot be read"),
        ("www CH TXT a", "cannot be read"),
        ("www A 192.0.2.1\nwww A 192.0.2.2", "cannot be read"),
        ("www.other.example. A 192.0.2.1", "outside of the zone"),
        ("xcorp.example. A 192.0.2.1", "outside of the zone"),
        ("sub NS ns", "list that zone in `forward`"),
        ("sub SOA a b 1 2 3 4 5", "belongs to the zone itself"),
        ("www DNAME other.example.", "name the aliases one by one"),
        ("@ DNSKEY 256 3 8 AwEAAQ==", "not signed"),
        ("sub DS 1 8 2 " + "00" * 32, "where the zone above is"),
        ("www 604801 A 192.0.2.1", "expected a TTL"),
        ("www 99999999999 A 192.0.2.1", "cannot be read"),
        (f"{'x' * 64} A 192.0.2.1", "cannot be read"),
        (f"{'x.' * 130} A 192.0.2.1", "cannot be read"),
        ("x" * (MAX_RECORD_TEXT + 1), "at most"),
        (12, "expected a text"),
        (None, "expected a text"),
        (r"www TYPE41 \# 0", "not taken here"),
        (r"www TYPE250 \# 0", "cannot be read"),
        (r"www TYPE128 \# 0", "not taken here"),
        (r"www A \# 3 010203", "cannot be read"),
        ('www TXT "', "cannot be read"),
        ("www ANY x", "cannot be read"),
    ],
)
def test_a_wrong_record_is_refused_in_words(text: object, why: str) -> None:
    records, found = records_of("corp.example", ["ok A 192.0.2.1", text])
    assert len(found) == 1
    assert found[0].startswith("record 1 (")
    assert why in found[0]
    assert len(records) == 1


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["a CNAME b", "a A 192.0.2.1"], "has a CNAME record and others"),
        (["@ CNAME b"], "has a CNAME record and others"),
        (["a CNAME b", "a CNAME c"], "2 records of type CNAME; expected one"),
        (["@ SOA a b 1 2 3 4 5", "@ SOA a b 2 2 3 4 5"], "2 records of type SOA; expected one"),
        (["a 1 A 192.0.2.1", "a 2 A 192.0.2.2"], "different TTLs"),
        ([f'a TXT "{number:0250}"' for number in range(130)], "expected at most 32,768"),
        (["a A 192.0.2.1"] * (MAX_RECORDS + 1), "expected at most 10,000 records"),
    ],
)
def test_records_that_do_not_fit_together_are_refused(texts: list[str], why: str) -> None:
    _, found = records_of("corp.example", texts)
    assert [why in problem for problem in found] == [True]


CONTRADICTIONS = [
    (
        "local: {zones: [{zone: a.example}, {zone: A.example.}]}",
        "local.zones[1].zone: a.example is already local.zones[0].zone; each zone is written once",
    ),
    (
        "local: {zones: [{zone: a.example}]}\nforward: [{zone: a.example, upstreams: [192.0.2.1]}]",
        "forward[0].zone: a.example is already local.zones[0].zone; each zone is either local or forwarded",
    ),
    (
        "forward: [{zone: a.example, upstreams: [192.0.2.1]}, {zone: a.example, upstreams: [192.0.2.1]}]",
        "forward[1].zone: a.example is already forward[0].zone; each zone is written once",
    ),
    (
        "forward: [{zone: _dns.resolver.arpa, upstreams: [192.0.2.1]}]",
        "forward[0].zone: _dns.resolver.arpa says which other resolvers",
    ),
    (
        "local: {zones: [{zone: a.example, records: [x.b A 192.0.2.1]}, {zone: b.a.example}]}",
        "local.zones[0].records: x.b.a.example lies in local.zones[1].zone as well",
    ),
    (
        "forward: [{zone: b.a.test, upstreams: [192.0.2.1]}]\nlocal: {zones: [{zone: a.test, records: [b TXT t]}]}",
        "local.zones[0].records: b.a.test lies in forward[0].zone as well",
    ),
    (
        "local: {zones: [{zone: a.example, records: [x CNAME y, y CNAME x.a.example.]}]}",
        "local.zones: the CNAME records of x.a.example lead back to it",
    ),
    (
        "local: {zones: [{zone: a.example, records: [x CNAME y]}], names: {x.a.example: 192.0.2.1}}",
        "local.names: x.a.example has a CNAME record in local.zones[0].zone",
    ),
    (
        "forward: [{zone: a.example, upstreams: [192.0.2.1, '192.0.2.1:53']}]",
        "forward[0].upstreams[1]: 192.0.2.1:53 is already listed as forward[0].upstreams[0]; keep one",
    ),
    (
        "forward: [{zone: a.example, upstreams: ['127.0.0.1:8053']}]",
        "forward[0].upstreams[0]: 127.0.0.1:8053 is blockd itself; name another resolver",
    ),
    ("forward: [{zone: a.example}]", "forward[0].upstreams: is missing. The resolvers for its names"),
    ("forward: [{zone: a.example, upstreams: []}]", "forward[0].upstreams: expected a list of at least 1, got 0"),
    ("forward: [a.example]", "forward[0]: expected a mapping with at least zone and upstreams, got 'a.example'"),
    ("forward: [{zone: '.', upstreams: [192.0.2.1]}]", "forward[0].zone: expected a domain name"),
    ("local: {zones: [3]}", "local.zones[0]: expected a mapping with at least zone, got 3"),
    ("local: {zones: [{zone: a.example, records: x A 1}]}", "local.zones[0].records: expected a list of records"),
    ("local: {zones: [{zone: '', records: [x]}]}", "local.zones[0].zone: expected a domain name"),
    ("local: {names: {a.lan: 192.0.2.1, A.lan: 192.0.2.2}}", "local.names: 'A.lan' is named twice"),
    ("local: {names: {a.lan: x}}", "local.names: 'a.lan': expected an address such as"),
    ("local: {names: {a.lan: []}}", f"local.names: 'a.lan': expected 1 to {MAX_ADDRESSES} addresses, got 0"),
    ("local: {names: {a.lan: 'fe80::1%eth0'}}", "local.names: 'a.lan': expected an address such as"),
    ("local: {names: {'*.lan': 192.0.2.1}}", "local.names: expected a host name such as nas.example, got '*.lan'"),
    ("local: {names: [a.lan]}", "local.names: expected a mapping of names to addresses"),
    ("local: {defaults: off}", "local.defaults: expected true or false, got 'off'"),
    ("canaries: 'yes'", "canaries: expected true or false, got 'yes'"),
    ("local: {zone: []}", "local.zone: unknown key; did you mean zones?"),
    ("local: []", "local: expected a mapping, got []; its keys are zones, names, defaults"),
]


@pytest.mark.parametrize(("text", "sentence"), CONTRADICTIONS)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    (found,) = problems(tmp_path, f"{text}\n")
    assert found.startswith(sentence)


def test_a_chain_of_aliases_may_be_as_long_as_it_is_followed(tmp_path: Path) -> None:
    def chain(length: int) -> str:
        records = ", ".join(f"a{number} CNAME a{number + 1}" for number in range(length))
        return f"local: {{zones: [{{zone: a.example, records: [{records}]}}]}}\n"

    assert problems(tmp_path, chain(MAX_ALIASES)) == []
    (found,) = problems(tmp_path, chain(MAX_ALIASES + 1))
    assert f"more than {MAX_ALIASES} CNAME records" in found


def test_counts_have_bounds(tmp_path: Path) -> None:
    names = "".join(f"    n{number}.lan: 192.0.2.1\n" for number in range(MAX_NAMES + 1))
    (found,) = problems(tmp_path, f"local:\n  names:\n{names}")
    assert found == "local.names: expected at most 10,000 names, got 10,001"
    zones = "".join(f"    - zone: z{number}.example\n" for number in range(1001))
    assert problems(tmp_path, f"local:\n  zones:\n{zones}") == ["local.zones: expected at most 1000, got more"]
    records = ", ".join(f"h{at} A 192.0.2.1" for at in range(3400))
    many = "".join(f"    - {{zone: z{zone}.example, records: [{records}]}}\n" for zone in range(3))
    (found,) = problems(tmp_path, f"local:\n  zones:\n{many}")
    assert found == "local.zones: expected at most 10,000 records in all zones together, got 10,200"


def test_the_first_wrong_records_are_told_and_the_others_counted(tmp_path: Path) -> None:
    records = ", ".join(f"r{number}" for number in range(9))
    (found,) = problems(tmp_path, f"local: {{zones: [{{zone: a.example, records: [{records}]}}]}}\n")
    assert found.startswith("local.zones[0].records: record 0 ('r0'): ")
    assert found.endswith("; and 4 more")
