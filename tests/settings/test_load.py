from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import ConfigError
from blockd.names import Network
from blockd.settings import FEED_TYPES, SYSTEM_UPSTREAM, SignedFeed, SocketAddress, Upstream, load, reference
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
    assert found.upstream.timeout == pytest.approx(0.8)
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
            "listen: {doh: ['127.0.0.1:8443'], admin: '[::1]:8053'}\n"
            "feeds:\n"
            "  - {name: a, type: csv}\n"
            "  - {name: a, type: signed, url: 'https://x.example/', priority: high}\n"
        )
    )
    assert found == (
        "workers: is there twice, on lines 1 and 2; keep one",
        "workers: 0 is no number of workers; allowed is auto or 1 to 256",
        "listen.doh: is not offered by this version; leave it empty",
        "sinkhole.ttl: 0 cannot be used; allowed is a whole number from 1 to 3600",
        "at_first_start: 'maybe' is not known; allowed is serve or refuse",
        f"feeds[0].type: 'csv' is no type of feed; allowed is one of {', '.join(FEED_TYPES)}",
        "feeds[1].priority: 'high' cannot be used; allowed is a whole number from 0 to 1000",
        "feeds[1].root: is missing. The file with the first root of trust, handed over out of band.",
        "log_level: 'loud' is not known; allowed is debug, info, warning or error",
        "lisen: is not known here; did you mean listen?",
        "listen.admin: [::1]:8053 is taken by listen.dns[1] ([::1]:8053); allowed is each address and port once",
        "feeds[1].name: 'a' is the name of feeds[0]; allowed is each name once",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("feeds: {}", "feeds: {} is no list; allowed is a list"),
        ("feeds: [x]", "feeds[0]: 'x' is no feed; allowed is a mapping with at least name and type"),
        ("feeds: [{name: a}]", "feeds[0].type: is missing; allowed is one of signed, domains, hosts, adblock"),
        ("feeds: [{name: a, type: [x]}]", "feeds[0].type: ['x'] is no type of feed"),
        ("feeds: [{name: a, type: adblock, path: x, scope: both}]", "feeds[0].scope: is not known here; allowed"),
        ("feeds: [{name: a, type: adblock}]", "feeds[0]: has neither path nor url; allowed is exactly one"),
        ("feeds: [{name: a, type: hosts, path: x, signature: }]", "feeds[0].signature: an empty value is no signature"),
        ("feeds: [{name: a, type: hosts, path: x, signature: k}]", "feeds[0].signature: 'k' is no section; allowed is"),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: minisign}}]",
            "feeds[0].signature.key: is missing. The file with the public key",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: pgp, key: k}}]",
            "feeds[0].signature.type: 'pgp' is not known; allowed is rsa-sha256 or minisign",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: minisign, key: k, kye: k}}]",
            "feeds[0].signature.kye: is not known here; did you mean key?",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, signature: {type: minisign, key: k, url: 'http://a/'}}]",
            "feeds[0].signature.url: the list has a path; allowed is the signature's path",
        ),
        (
            "feeds: [{name: a, type: hosts, url: 'http://a/', signature: {type: minisign, key: k, path: s}}]",
            "feeds[0].signature.path: the list has a url; allowed is the signature's url",
        ),
        ("feeds: [{type: hosts, path: x}]", "feeds[0].name: is missing. The feed's name"),
        ("feeds: [{name: -a, type: hosts, path: x}]", "feeds[0].name: '-a' cannot be used; allowed is small letters"),
        ("feeds: [{name: a, type: hosts, path: x, pririty: 1}]", "feeds[0].pririty: is not known here; did you mean"),
        ("feeds: [{name: a, type: hosts, path: x, zzzzz: 1}]", "feeds[0].zzzzz: is not known here; allowed are name,"),
        (
            "feeds: [{name: a, type: hosts, path: x, action: block}]",
            "feeds[0].action: 'block' is not known; allowed is",
        ),
        (
            "feeds: [{name: a, type: hosts, path: x, scope: all}]",
            "feeds[0].scope: 'all' is not known; allowed is one of",
        ),
        ("feeds: [{name: a, type: hosts, path: x, interval: 1ms}]", "feeds[0].interval: '1ms' is out of range"),
        ("feeds: [{name: a, type: hosts, path: x, max_size: 1T}]", "feeds[0].max_size: '1T' is out of range"),
        ("feeds: [{name: a, type: hosts, path: }]", "feeds[0].path: an empty value is no path"),
        ("feeds: [{name: a, type: hosts}]", "feeds[0]: has neither path nor url; allowed is exactly one"),
        ("feeds: [{name: a, type: hosts, path: x, url: 'http://a/'}]", "feeds[0]: has both path and url"),
        ("feeds: [{name: a, type: hosts, url: 'file:x'}]", "feeds[0].url: 'file:x' is no URL that can be used"),
        ("feeds: [{name: a, type: hosts, url: 'http://u:p@a/'}]", "feeds[0].url: a URL with a user name or password"),
        ("feeds: [{name: a, type: hosts, url: 'http://a:99999/'}]", "feeds[0].url: 'http://a:99999/' is no URL"),
        ("feeds: [{name: a, type: hosts, path: x, action: cname}]", "feeds[0].cname: the action cname needs a target"),
        (
            "feeds: [{name: a, type: hosts, path: x, cname: b.example}]",
            "feeds[0].cname: the action cname needs a target",
        ),
        ("feeds: [{name: a, type: signed, url: 'file://h/x', root: r}]", "feeds[0].url: 'file://h/x' is no file URL"),
        ("feeds: [{name: a, type: hosts, path: x, platform: 7}]", "feeds[0].platform: 7 is no text; allowed is a text"),
        ("feeds: [{name: a, type: hosts, path: x, in_force_from: soon}]", "feeds[0].in_force_from: 'soon' is no date"),
        (
            "feeds: [{name: a, type: hosts, path: x, at_expiry: stop}]",
            "feeds[0].at_expiry: stop needs an end; allowed is with max_age, such as 7d",
        ),
        ("feeds: [{name: a, type: hosts, path: x, max_age: 0s}]", "feeds[0].max_age: '0s' is out of range; allowed is"),
        ("listen: {dns: []}", "listen.dns: holds 0; allowed are at least 1"),
        ("listen: {dot: ['[::1]:853']}", "listen.dot: is not offered by this version; leave it empty"),
        ("listen: {dns: '127.0.0.1:53'}", "listen.dns: '127.0.0.1:53' is no list; allowed is a list"),
        ("upstreams: [192.0.2.1, '192.0.2.1:53']", "upstreams[1]: 192.0.2.1:53 is there already, as upstreams[0]"),
        ("upstreams: ['127.0.0.1:8053']", "upstreams[0]: 127.0.0.1:8053 is blockd itself"),
        ("clients: {allow: [10.0.0.1/8]}", "clients.allow[0]: '10.0.0.1/8' is no network; allowed is"),
        ("clients:", "clients: an empty value is no section; allowed is a mapping of allow"),
        ("sinkhole: {ipv6: 127.0.0.1}", "sinkhole.ipv6: '127.0.0.1' is no IPv6 address"),
        ("sinkhole: {ipv4: 1}", "sinkhole.ipv4: 1 is no IPv4 address"),
        ("sinkhole: {ttl: true}", "sinkhole.ttl: true cannot be used; allowed is a whole number from 1 to 3600"),
        ("operator: {url: /x}", "operator.url: '/x' is no URL that can be used"),
        (f"operator: {{name: {'x' * 201}}}", "operator.name: has 201 characters; allowed are at most 200"),
        ("gate: {max_growth: 10001%}", "gate.max_growth: '10001%' is no share; allowed is 0% to 10000%"),
        ("gate: {public_suffixes: 7}", "gate.public_suffixes: 7 is no path; allowed is"),
        ("gate: {protected: a}", "gate.protected: 'a' is no list; allowed is a list"),
        ("gate: {protected: ['']}", "gate.protected[0]: '' is no path; allowed is"),
        ("gate: {popular: []}", "gate.popular: [] is no path; allowed is"),
        (
            "gate: {popular_count: 0}",
            "gate.popular_count: 0 cannot be used; allowed is a whole number from 1 to 1000000",
        ),
        ("user: Root", "user: 'Root' cannot be used; allowed is the name of a user"),
        ("state_dir: ''", "state_dir: '' is no path; allowed is"),
        ("[a, b]", "the file: ['a', 'b'] is no section; allowed is a mapping of state_dir,"),
        ("", "it holds no settings; allowed is at least one key"),
        ("# only a comment", "it holds no settings; allowed is at least one key"),
        ("a: [", "line 1, column 5: it is no YAML that can be used:"),
        ("workers:\n\t- 1", "line 2, column 1: it is no YAML that can be used:"),
        ("a: &x [1]\nb: *x", "line 1, column 4: it is no YAML that can be used: anchors and aliases are not allowed"),
        ("a: *x", "line 1, column 4: it is no YAML that can be used: anchors and aliases are not allowed"),
        ("a: !!python/name:os.system x", "line 1, column 4: it is no YAML that can be used: tags are not allowed"),
        ("a: 1\n---\nb: 2", "line 2, column 1: it is no YAML that can be used:"),
        ("a: \x01", "line 1: a character that YAML does not allow"),
        ('user: "\\ud800"', r"user: '\ud800' has half a character; allowed is Unicode"),
        ("? [a]\n: 1", "the file: a key on line 1 is no word; allowed are the documented keys"),
        ("[" * 100, "line 1, column 17: it is no YAML that can be used: more than 16 levels"),
        ('"\\e[2J": 1', r"\x1b[2J: is not known here; allowed are state_dir,"),
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
    assert found == ("upstreams[0]: 127.0.0.1:53 is blockd itself; allowed is another resolver",)


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    assert problems_in(tmp_path / "none.yaml") == ("there is no such file; --config names another",)


def test_folder_is_no_config(tmp_path: Path) -> None:
    assert problems_in(tmp_path) == ("it is no regular file; allowed is a YAML file",)


def test_path_that_is_none_is_one_sentence() -> None:
    assert len(problems_in(Path("a\0b"))) == 1
    assert len(problems_in(Path("x" * 5000))) == 1


def test_too_large_file_is_refused(write: Write) -> None:
    assert problems_in(write("#" * (1 << 20) + "\n"))[0].startswith("it is larger than 1048576 octets")


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"user: a\noperator: {name: \xe9}\n")
    assert problems_in(path) == ("line 2: it is not UTF-8; allowed is text in UTF-8",)


def test_more_problems_than_anybody_reads_are_counted(write: Write) -> None:
    found = problems_in(write("\n".join(f"key{number}: 1" for number in range(200))))
    assert len(found) == 51
    assert found[-1] == "and 150 more"


def test_reference_has_every_key_with_a_meaning() -> None:
    rows = reference()
    assert ("sinkhole.ttl", "60", "How many seconds clients may keep a block.") in rows
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
    assert problem == "feeds[0].name: overrides is the name of blockd's own feed; allowed is any other"
