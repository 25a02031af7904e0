from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blockd.errors import ConfigError
from blockd.names import Network
from blockd.settings import FEED_TYPES, SYSTEM_UPSTREAM, SignedFeed, SocketAddress, Upstream, load, reference
from blockd.settings.log import LogSettings
from tests.effort import tries
from tests.places import ROOT

SHIPPED = ROOT / "config" / "blockd.yaml"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "blockd.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems_in(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


def test_shipped_config_loads() -> None:
    shipped = load(SHIPPED)
    folder = SHIPPED.parent.resolve()
    (feed,) = shipped.feeds
    assert isinstance(feed, SignedFeed)
    assert feed.root == folder / "lists/sample/root.json"
    assert feed.url == (folder / "lists/sample").as_uri()
    assert shipped.state_dir == folder.parent / "var"


def test_keys_left_out_have_their_defaults(write: Write) -> None:
    found = load(write("feeds: []\n"))
    assert found.listen.dns == (SocketAddress("127.0.0.1", 8053), SocketAddress("::1", 8053))
    assert found.listen.admin == SocketAddress("127.0.0.1", 9053)
    assert found.listen.block_page.https == (SocketAddress("127.0.0.1", 8444),)
    assert Network.from_text("100.64.0.0/10") in found.clients.allow
    assert found.sinkhole.ipv4 == IPv4Address("127.0.0.1")
    assert found.upstreams == (SYSTEM_UPSTREAM,)
    assert found.upstream.timeout == pytest.approx(4.0)
    assert found.cache.size == 32 * 1024**2
    assert found.gate.max_shrink == pytest.approx(0.2)
    assert found.at_first_start == "serve"
    assert found.workers == min(len(os.sched_getaffinity(0)), 256)


def test_shipped_config_differs_from_the_defaults_only_in_its_feed(write: Write) -> None:
    shipped, defaults = load(SHIPPED), load(write("{feeds: []}"))
    assert [path.resolve() for path in shipped.gate.protected] == list(defaults.gate.protected)
    gate = shipped.gate.model_copy(update={"protected": defaults.gate.protected})
    same = {"state_dir": defaults.state_dir, "feeds": (), "gate": gate}
    assert shipped.model_copy(update=same) == defaults


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("{}", "http://127.0.0.1:8080/"),
        ("{operator: {url: 'https://www.isp.example/blocks'}}", "https://www.isp.example/blocks"),
        ("{sinkhole: {ipv4: 192.0.2.80}, listen: {block_page: {http: ['0.0.0.0:80']}}}", "http://192.0.2.80/"),
        ("{listen: {block_page: {http: []}}}", ""),
    ],
)
def test_who_blocks_is_said_at_the_operators_url_or_at_the_block_page(write: Write, written: str, url: str) -> None:
    assert load(write(written)).blocked_by == url


def test_settings_are_frozen(write: Write) -> None:
    found = load(write("feeds: []\n"))
    with pytest.raises(ValueError, match="frozen"):
        found.workers = 3


def test_relative_paths_start_at_the_files_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("state_dir: ../../state\nfeeds: [{name: a, type: domains, path: lists/a}, "
                 "{name: b, type: signed, url: 'file:lists/b%20c', root: /srv/root.json}]")  # fmt: skip
    monkeypatch.chdir("/")
    found = load(path)
    folder = tmp_path.resolve()
    assert found.state_dir == folder.parent.parent / "state"
    assert getattr(found.feeds[0], "path", None) == folder / "lists/a"
    assert getattr(found.feeds[1], "url", None) == (folder / "lists/b c").as_uri()
    assert getattr(found.feeds[1], "root", None) == Path("/srv/root.json")


def test_link_within_a_path_is_not_resolved(write: Write, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "current").symlink_to("old")
    found = load(write("feeds: [{name: a, type: domains, path: current/a}]"))
    assert getattr(found.feeds[0], "path", None) == tmp_path.resolve() / "current/a"


def test_every_problem_is_told_at_once(write: Write) -> None:
    found = problems_in(
        write(
            "workers: 0\nworkers: 2\nlisen: {}\nsinkhole: {ttl: 0}\nat_first_start: maybe\nlog_level: loud\n"
            "listen: {admin: '[::1]:8053'}\n"
            "feeds:\n"
            "  - {name: a, type: csv}\n"
            "  - {name: a, type: signed, url: 'https://x.example/', priority: high}\n"
        )
    )
    assert found == (
        "workers: occurs twice, on lines 1 and 2; keep one",
        "workers: expected auto or 1 to 256, got 0",
        "sinkhole.ttl: expected a whole number from 1 to 3600, got 0",
        "at_first_start: expected serve or refuse, got 'maybe'",
        f"feeds[0].type: expected one of {', '.join(FEED_TYPES)}, got 'csv'",
        "feeds[1].priority: expected a whole number from 0 to 1000, got 'high'",
        "feeds[1].root: is missing. The file with the first root of trust, handed over out of band.",
        "log_level: expected debug, info, warning or error, got 'loud'",
        "lisen: unknown key; did you mean listen?",
        "listen.admin: [::1]:8053 is already used by listen.dns[1] ([::1]:8053); use each address and port once",
        "feeds[1].name: 'a' is already the name of feeds[0]; use each name once",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("feeds: {}", "feeds: expected a list, got {}; write [a, b], or one `- a` a line"),
        ("feeds: [x]", "feeds[0]: expected a mapping with at least name and type, got 'x'"),
        ("feeds: [{name: a}]", "feeds[0].type: is missing; expected one of signed, domains, hosts, adblock"),
        (
            "feeds: [{name: a, type: [x]}]",
            "feeds[0].type: expected one of signed, domains, hosts, adblock, addresses, rpz, rpz-transfer, got ['x']",
        ),
        ("feeds: [{name: a, type: adblock, path: x, scope: both}]", "feeds[0].scope: unknown key; expected one of"),
        ("feeds: [{name: a, type: adblock}]", "feeds[0]: has neither path nor url; set exactly one"),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: }]",
            "feeds[0].signature: expected a mapping with at least type and key, got an empty value",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: k}]",
            "feeds[0].signature: expected a mapping, got 'k'; its keys are type, key",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: minisign}}]",
            "feeds[0].signature.key: is missing. The file with the public key",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: pgp, key: k}}]",
            "feeds[0].signature.type: expected rsa-sha256 or minisign, got 'pgp'",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: minisign, key: k, kye: k}}]",
            "feeds[0].signature.kye: unknown key; did you mean key?",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: minisign, key: k, url: 'http://a/'}}]",
            "feeds[0].signature.url: the list has a path; set the signature's path instead",
        ),
        (
            "feeds: [{name: a, type: hosts, url: 'http://a/', signature: {type: minisign, key: k, path: s}}]",
            "feeds[0].signature.path: the list has a url; set the signature's url instead",
        ),
        ("feeds: [{type: hosts, path: x}]", "feeds[0].name: is missing. The feed's name"),
        (
            "feeds: [{name: -a, type: hosts, path: x}]",
            "feeds[0].name: expected 1 to 40 lower-case letters, digits and inner hyphens, got '-a'",
        ),
        ("feeds: [{name: a, type: hosts, path: x, pririty: 1}]", "feeds[0].pririty: unknown key; did you mean"),
        ("feeds: [{name: a, type: hosts, path: x, zzzzz: 1}]", "feeds[0].zzzzz: unknown key; expected one of name,"),
        (
            "feeds: [{name: a, type: hosts, path: x, action: block}]",
            "feeds[0].action: expected one of sinkhole, nxdomain,",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, scope: all}]",
            "feeds[0].scope: expected one of exact, subdomains, both, got 'all'",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, interval: 1ms}]",
            "feeds[0].interval: expected 100ms to 7d, got '1ms'",
        ),
        ("feeds: [{name: a, type: hosts, path: x, max_size: 1T}]", "feeds[0].max_size: expected 1K to 64G, got '1T'"),
        (
            "feeds: [{name: a, type: hosts, path: }]",
            "feeds[0].path: expected a path such as /srv/lists/domains or lists/domains, got an empty value",
        ),
        ("feeds: [{name: a, type: hosts}]", "feeds[0]: has neither path nor url; set exactly one"),
        ("feeds: [{name: a, type: hosts, path: x, url: 'http://a/'}]", "feeds[0]: has both path and url"),
        ("feeds: [{name: a, type: hosts, url: 'file:x'}]", "feeds[0].url: expected a URL such as https://"),
        ("feeds: [{name: a, type: hosts, url: 'http://u:p@a/'}]", "feeds[0].url: a URL with a user name or password"),
        ("feeds: [{name: a, type: hosts, url: 'http://a:99999/'}]", "feeds[0].url: expected a URL such as https://"),
        ("feeds: [{name: a, type: hosts, path: x, action: cname}]", "feeds[0].cname: the action cname needs a target"),
        (
            "feeds: [{name: a, type: hosts, path: x, cname: b.example}]",
            "feeds[0].cname: the action cname needs a target",
        ),
        ("feeds: [{name: a, type: signed, url: 'file://h/x', root: r}]", "feeds[0].url: expected a file URL such as"),
        ("feeds: [{name: a, type: hosts, path: x, platform: 7}]", "feeds[0].platform: expected a text, got 7; put it"),
        (
            "feeds: [{name: a, type: hosts, path: x, in_force_from: soon}]",
            "feeds[0].in_force_from: expected an RFC 3339 date such as 2017-07-14 or 2017-07-14T04:30:00Z, got 'soon'",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, at_expiry: stop}]",
            "feeds[0].at_expiry: stop needs an end; set max_age, such as 7d",
        ),
        ("feeds: [{name: a, type: hosts, path: x, max_age: 0s}]", "feeds[0].max_age: expected 1s to 3650d, got '0s'"),
        ("listen: {dns: []}", "listen.dns: expected a list of at least 1, got 0"),
        ("listen: {dot: ['[::1]:853']}", "listen.dot: TLS needs a certificate; name its files in `certificates`"),
        ("listen: {doh: ['[::1]:443']}", "listen.doh: HTTPS needs a certificate; name its files in `certificates`, or"),
        ("tls: {ticket_secrets: t}", "tls.ticket_secrets: nothing is served over TLS; set `listen.dot`"),
        ("doh: {plain_from: [10.0.0.0/8]}", "doh.plain_from: front ends have nowhere to send requests; set"),
        ("doh: {client_header: x}", 'doh.client_header: expected "", forwarded or x-forwarded-for, got'),
        ("public: {url: 'https://a.example/?x=y'}", "public.url: expected a URL such as https://blocked.example.net/"),
        ("public: {url: 'https://a.example/#x'}", "public.url: expected a URL such as https://blocked.example.net/"),
        ("listen: {public: {https: ['[::1]:443']}}", "listen.public.https: TLS needs a certificate; name its files"),
        ("listen: {decide: ['unix:']}", "listen.decide[0]: expected a path such as"),
        ("listen: {decide: [9054]}", "listen.decide[0]: expected ADDRESS:PORT or unix:PATH, such as 127.0.0.1:9054"),
        ("listen: {decide: ['unix:@decide']}", "listen.decide[0]: expected the path of a file"),
        (
            "listen: {decide: ['unix:d.sock', '127.0.0.1:9054', 'unix:d.sock']}",
            "listen.decide[2]: unix:d.sock is already listed as listen.decide[0]; keep one",
        ),
        (
            "public: {url: 'https://b.example/?x=y'}",
            "public.url: expected a URL such as https://blocked.example.net/, w",
        ),
        (
            "public: {url: 'https://b.example/orders/{id}'}",
            "public.url: expected a URL such as https://blocked.example",
        ),
        (f"listen: {{decide: ['unix:/{'a' * 107}']}}", "listen.decide[0]: expected a path of at most 107 octets"),
        (
            "listen: {decide: ['unix:/a', '127.0.0.1:9054', 'unix:/a']}",
            "listen.decide[2]: unix:/a is already used by listen.decide[0]; use each path once",
        ),
        ("listen: {dot: ['[::1]:8053']}", "listen.dot[0]: [::1]:8053 is already used by listen.dns[1]"),
        ("certificates: [{chain: a.pem}]", "certificates[0].key: is missing. The file with its private key."),
        ("doh: {path: dns-query}", "doh.path: expected a path such as /dns-query, of letters, digits and the"),
        ("doh: {client_header: forwarded}", "doh.client_header: no front end is listed whose header is believed"),
        (
            "doh: {client_header: forwarded, plain_from: [192.0.2.1]}\nproxy_protocol: {from: [192.0.2.0/24]}",
            "doh.plain_from[0]: 192.0.2.1 says for whom it asks by PROXY protocol already",
        ),
        ("discovery: {dot_port: 853}", "discovery.dot_port: nothing is announced without a name; set"),
        ("discovery: {name: dns.example}", "discovery.name: there is no encrypted transport to announce; set"),
        ("discovery: {name: 192.0.2.1}", "discovery.name: expected the resolver's host name, such as dns.example.net"),
        ("discovery: {name: dns.example, addresses: [a]}", "discovery.addresses: expected an address such as"),
        ("structured_errors: {database: a/b}", "structured_errors.database: expected letters, digits, hyphens and"),
        ("structured_errors: {answer: nodata}", "structured_errors.answer: only clients over encrypted transports are"),
        ("structured_errors: {client_option: 12}", "structured_errors.client_option: 12 is the code of an option that"),
        ("structured_errors: {client_option: 65001}", "structured_errors.client_option: 65001 is the code of an"),
        ("structured_errors: {answer: sinkhole}", "structured_errors.answer: expected nxdomain or nodata, got"),
        (f"server_id: {'n' * 65}", "server_id: expected at most 64 characters, got"),
        ("server_id: 'node 1'", "server_id: expected letters, digits and punctuation of ASCII, without"),
        ("listen: {dns: '127.0.0.1:53'}", "listen.dns: expected a list, got '127.0.0.1:53'; write [a, b]"),
        ("upstreams: [192.0.2.1, '192.0.2.1:53']", "upstreams[1]: 192.0.2.1:53 is already listed as upstreams[0]"),
        ("upstreams: ['127.0.0.1:8053']", "upstreams[0]: 127.0.0.1:8053 is blockd itself"),
        ("clients: {allow: [10.0.0.1/8]}", "clients.allow[0]: expected an address, or a network without"),
        ("clients: {front_ends: [10.0.0.1/8]}", "clients.front_ends[0]: expected an address, or a network without"),
        (
            "clients: {allow: [10.0.0.0/8], front_ends: [10.1.0.0/16, 192.0.2.7]}",
            (
                "clients.front_ends[1]: 192.0.2.7 is in no network of clients.allow, so nobody is served there; add it "
                "to clients.allow too, or remove it"
            ),
        ),
        (
            "clients: {allow: [10.0.0.0/9], front_ends: [10.0.0.0/8]}",
            "clients.front_ends[0]: 10.0.0.0/8 is in no",
        ),
        ("clients: {front_ends: ['2001:db8::1']}", "clients.front_ends[0]: 2001:db8::1 is in no network of"),
        (
            "clients: {rate_limit: {strangers_per_second: -1}}",
            "clients.rate_limit.strangers_per_second: expected a whole number from 0 to 1000000, got -1",
        ),
        ("clients: {rate_limit: {slip: 101}}", "clients.rate_limit.slip: expected a whole number from 0 to 100"),
        (
            "clients: {rate_limit: 5}",
            "clients.rate_limit: expected a mapping, got 5; its keys are responses_per_second",
        ),
        ("clients: {cookie_secrets: ''}", "clients.cookie_secrets: expected a path such as"),
        ("clients:", "clients: expected a mapping, got an empty value; its keys are allow"),
        ("sinkhole: {ipv6: 127.0.0.1}", "sinkhole.ipv6: expected an IPv6 address such as 2001:db8::1, got '127"),
        ("clients: {nat64_prefixes: [10.0.0.0/8]}", "clients.nat64_prefixes[0]: expected a prefix of NAT64 such as"),
        ("clients: {nat64_prefixes: [2001:db8::/33]}", "clients.nat64_prefixes[0]: expected a prefix of NAT64 such as"),
        (
            "clients: {nat64_prefixes: ['2001:db8:0:0:100::/96']}",
            (
                "clients.nat64_prefixes[0]: expected a prefix of NAT64 such as 2001:db8:64::/96, of 32, 40, 48, 56, 64 "
                "or 96 bits, got '2001:db8:0:0:100::/96'; bits 64 to 71 must be zero (RFC 6052)"
            ),
        ),
        ("sinkhole: {ipv4: 1}", "sinkhole.ipv4: expected an IPv4 address such as 192.0.2.1, got 1"),
        ("upstream: {attempts: 4}", "upstream.attempts: expected a whole number from 1 to 3, got 4"),
        ("upstream: {cookies: 'yes'}", "upstream.cookies: expected true or false, got 'yes'"),
        (
            "upstream: {avoid_ports: [0]}",
            "upstream.avoid_ports: expected a port such as 5060, or a range such as 6000-6063, got 0",
        ),
        ("sinkhole: {ttl: true}", "sinkhole.ttl: expected a whole number from 1 to 3600, got true"),
        ("operator: {url: /x}", "operator.url: expected a URL such as https://www.example.net/, got '/x'"),
        (f"operator: {{name: {'x' * 201}}}", "operator.name: expected at most 200 characters, got 201"),
        ("gate: {max_growth: 10001%}", "gate.max_growth: expected 0% to 10000%, such as 20%, got '10001%'"),
        ("gate: {public_suffixes: 7}", "gate.public_suffixes: expected a path such as"),
        ("gate: {protected: a}", "gate.protected: expected a list, got 'a'; write [a, b]"),
        ("gate: {protected: ['']}", "gate.protected[0]: expected a path such as"),
        ("gate: {popular: []}", "gate.popular: expected a path such as"),
        (
            "gate: {popular_count: 0}",
            "gate.popular_count: expected a whole number from 1 to 1000000, got 0",
        ),
        ("user: Root", "user: expected a user name of at most 32"),
        ("state_dir: ''", "state_dir: expected a path such as"),
        ("[a, b]", "the file: expected a mapping, got ['a', 'b']; its keys are state_dir,"),
        ("", "the file has no settings; expected at least one key"),
        ("# only a comment", "the file has no settings; expected at least one key"),
        ("a: [", "line 1, column 5: cannot be parsed:"),
        ("workers:\n\t- 1", "line 2, column 1: cannot be parsed:"),
        ("a: &x [1]\nb: *x", "line 1, column 4: cannot be parsed: anchors and aliases are not allowed"),
        ("a: *x", "line 1, column 4: cannot be parsed: anchors and aliases are not allowed"),
        ("a: !!python/name:os.system x", "line 1, column 4: cannot be parsed: tags are not allowed"),
        ("a: 1\n---\nb: 2", "line 2, column 1: cannot be parsed:"),
        ("a: \x01", "line 1: a character that YAML does not allow"),
        ('user: "\\ud800"', r"user: expected Unicode, got half of a surrogate pair in '\ud800'"),
        ("? [a]\n: 1", "the file: the key on line 1 is not a text; use the documented keys"),
        ("[" * 100, "line 1, column 17: cannot be parsed: more than 16 levels"),
        ('"\\e[2J": 1', r"\x1b[2J: unknown key; expected one of state_dir,"),
    ],
)
def test_problem_has_its_path_and_what_is_allowed(write: Write, text: str, problem: str) -> None:
    found = problems_in(write(text))
    assert any(told.startswith(problem) for told in found), found
    assert not any("\n" in told for told in found)


def test_words_and_numbers_are_not_guessed(write: Write) -> None:
    found = load(write("operator: {name: no, contact: 2017-07-14}\nfeeds: [{name: off, type: hosts, path: x}]"))
    assert (found.operator.name, found.operator.contact, found.feeds[0].name) == ("no", "2017-07-14", "off")


def test_upstream_on_the_dns_port_is_allowed_beside_a_wildcard(write: Write) -> None:
    found = load(write("listen: {dns: ['0.0.0.0:53']}\nupstreams: [192.0.2.1, 'tls://192.0.2.1#dns.example.net']"))
    assert found.upstreams == (Upstream("192.0.2.1", 53), Upstream("192.0.2.1", 853, "dns.example.net"))


def test_upstream_that_a_wildcard_answers_is_refused(write: Write) -> None:
    found = problems_in(write("listen: {dns: ['0.0.0.0:53']}\nupstreams: [127.0.0.1]"))
    assert found == ("upstreams[0]: 127.0.0.1:53 is blockd itself; name another resolver",)


def test_front_ends_are_networks_of_those_who_are_served(write: Write) -> None:
    found = load(write("clients: {allow: [192.0.2.0/24, '2001:db8::/32'], front_ends: [192.0.2.7, '2001:db8::/32']}"))
    assert [network.text for network in found.clients.front_ends] == ["192.0.2.7", "2001:db8::/32"]
    by_default = load(write("clients: {front_ends: [127.0.0.1, 10.1.0.0/16]}"))
    assert [network.text for network in by_default.clients.front_ends] == ["127.0.0.1", "10.1.0.0/16"]


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    assert problems_in(tmp_path / "none.yaml") == ("the file does not exist; use --config to name another",)


def test_folder_is_no_config(tmp_path: Path) -> None:
    assert problems_in(tmp_path) == ("expected a YAML file, got a folder or device",)


def test_path_that_is_none_is_one_sentence() -> None:
    assert len(problems_in(Path("a\0b"))) == 1
    assert len(problems_in(Path("x" * 5000))) == 1


def test_too_large_file_is_refused(write: Write) -> None:
    assert problems_in(write("#" * (1 << 20) + "\n"))[0].startswith("expected at most 1048576 octets, got more")


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"user: a\noperator: {name: \xe9}\n")
    assert problems_in(path) == ("line 2: not valid UTF-8; save the file as UTF-8",)


def test_more_problems_than_anybody_reads_are_counted(write: Write) -> None:
    found = problems_in(write("\n".join(f"key{number}: 1" for number in range(200))))
    assert len(found) == 51
    assert found[-1] == "and 150 more"


def test_reference_has_every_key_with_a_meaning() -> None:
    rows = reference()
    assert ("sinkhole.ttl", "60", "How many seconds clients may cache a block.") in rows
    assert ("listen.dns", "[127.0.0.1:8053, [::1]:8053]", "Where DNS is answered, over UDP and TCP.") in rows
    assert {"state_dir", "listen.block_page.http", "feeds[signed].root", "feeds[hosts].scope"} <= {
        row[0] for row in rows
    }
    assert all(path and default and meaning.endswith(".") for path, default, meaning in rows)
    assert len({row[0] for row in rows}) == len(rows)


_KEYS = st.sampled_from(
    sorted({part for path, _, _ in reference() for part in path.replace("[", ".").replace("]", "").split(".")})
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["signed", "domains", "hosts", "rpz", "127.0.0.1:8053", "file:x", "http://[", "10s", "cname"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(_KEYS, st.text(max_size=5)), inner, max_size=6)
    ),
    max_leaves=20,
)


def loads_or_tells(content: bytes) -> None:
    problems: tuple[str, ...] = ("none",)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blockd.yaml"
        path.write_bytes(content)
        try:
            load(path)
        except ConfigError as error:
            problems = error.problems
    assert problems
    assert not any("\n" in problem for problem in problems)


@example(data={}, feeds=[{"name": [], "may_lift": [[], {}, "a/b"]}])
@given(st.dictionaries(_KEYS, _VALUES, max_size=6), st.lists(st.dictionaries(_KEYS, _VALUES, max_size=8), max_size=3))
@settings(max_examples=tries(50, 1500))
def test_random_values_raise_nothing_but_config_errors(data: dict[str, object], feeds: list[object]) -> None:
    loads_or_tells(json.dumps({"feeds": feeds, **data}).encode())


@given(st.one_of(st.binary(max_size=60), st.text(alphabet=" \n\t-:{}[]&*!|>'\"%@`#,?~ab1\\xuU\ufeff", max_size=60)))
@settings(max_examples=tries(100, 3000))
def test_random_text_raises_nothing_but_config_errors(text: bytes | str) -> None:
    loads_or_tells(text if isinstance(text, bytes) else text.encode())


def test_the_gates_lists_are_paths_or_words(write: Write) -> None:
    found = load(write("gate: {protected: [shipped, own.txt], public_suffixes: false, popular: top.csv}\n")).gate
    shipped, own = found.protected
    assert shipped.name == "protected.txt"
    assert shipped.is_file()
    assert own == write("").parent / "own.txt"
    assert found.public_suffixes is False
    assert found.popular == own.with_name("top.csv")
    assert load(write("gate: {public_suffixes: p.dat}\n")).gate.public_suffixes == own.with_name("p.dat")
    assert load(write("gate: {public_suffixes: true}\n")).gate.public_suffixes is True


@pytest.mark.parametrize(("text", "seconds"), [("1d", 86400.0), ("1h", 3600.0), ("off", None), ('"off"', None)])
def test_statements_are_made_as_often_as_asked_for(write: Write, text: str, seconds: float | None) -> None:
    assert load(write(f"audit: {{statement: {text}}}")).audit.statement == seconds


@pytest.mark.parametrize("text", ["1m", "31d", "true", "sometimes", "0"])
def test_other_times_of_statements_are_refused(write: Write, text: str) -> None:
    (problem,) = problems_in(write(f"audit: {{statement: {text}}}"))
    assert problem.startswith("audit.statement: ")


def test_name_of_blockds_own_feed_is_taken(write: Write) -> None:
    (problem,) = problems_in(write("feeds: [{name: overrides, type: domains, path: list}]"))
    assert problem == "feeds[0].name: overrides is the name of blockd's own feed; choose another"


def test_a_chain_that_is_listed_twice_is_told_with_both_places(write: Write, tmp_path: Path) -> None:
    pairs = "[{chain: a, key: k}, {chain: b, key: k}, {chain: ./a, key: l}]"
    found = problems_in(write(f"listen: {{dot: ['[::1]:853']}}\ncertificates: {pairs}"))
    assert found == (f"certificates[2]: {tmp_path / 'a'} is already certificates[0]; keep one",)


def test_the_level_of_the_log_has_two_names_of_which_one_is_given(tmp_path: Path) -> None:
    path = tmp_path / "blockd.yaml"
    for text, level in (("log: {level: error}", "error"), ("log_level: debug", "debug"), ("workers: 1", "info")):
        path.write_text(f"{text}\n", encoding="utf-8")
        assert load(path).logged.level == level
    path.write_text("log: {format: json}\nlog_level: debug\n", encoding="utf-8")
    assert load(path).logged == LogSettings(level="debug", format="json")
    path.write_text("log: {level: error}\nlog_level: debug\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"log_level: log\.level is given too, of which this is the earlier name"):
        load(path)
