from __future__ import annotations

import pytest

from blockd.names import key_from_text
from blockd.web.decide.hosts import Host
from blockd.web.decide.request import ProxyRequest
from blockd.web.decide.sources import MAX_HOSTS, MAX_PARAMETERS, MAX_QUERY, BadQuestion, asked_by

EVERY = {
    b"host": [b"by-host.example"],
    b"x-forwarded-host": [b"by-forwarded.example"],
    b"x-original-url": [b"https://by-original.example/path"],
}


def hosts(target: bytes, fields: dict[bytes, list[bytes]] | None = None) -> list[str]:
    asked = asked_by(ProxyRequest(b"GET", target, EVERY if fields is None else fields))
    return [".".join(part.decode() for part in reversed(_labels(host.key))) for host in asked.hosts]


def _labels(key: bytes) -> list[bytes]:
    found = []
    while key:
        found.append(key[1 : 1 + key[0]])
        key = key[1 + key[0] :]
    return found


def status_of(target: bytes, fields: dict[bytes, list[bytes]] | None = None) -> int:
    with pytest.raises(BadQuestion) as refused:
        asked_by(ProxyRequest(b"GET", target, EVERY if fields is None else fields))
    return refused.value.status


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/decide/url?host=by-url.example", ["by-url.example"]),
        (b"/decide/url?url=http%3A%2F%2Fby-url.example%2Fpath", ["by-url.example"]),
        (b"/decide/url?url=http://by-url.example/path?x=1", ["by-url.example"]),
        (b"http://other.example/decide/url?host=by-url.example", ["by-url.example"]),
        (b"/decide/forwarded?host=other.example", ["by-forwarded.example"]),
        (b"/decide/original?host=other.example", ["by-original.example"]),
        (b"/decide/envoy/path?host=other.example&status=404", ["by-host.example"]),
        (b"/decide/envoy", ["by-host.example"]),
        (b"/decide", ["by-forwarded.example", "by-original.example"]),
        (b"/decide?host=by-url.example", ["by-url.example", "by-forwarded.example", "by-original.example"]),
    ],
)
def test_a_path_reads_its_own_source_and_plain_decide_all(target: bytes, found: list[str]) -> None:
    assert hosts(target) == found


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        (b"/decide/url", None),
        (b"/decide/url?host=", None),
        (b"/decide/url?url=/path", None),
        (b"/decide/url?host=a.example&host=b%20c", None),
        (b"/decide/forwarded", {}),
        (b"/decide/forwarded", {b"x-forwarded-host": [b"a.example,"]}),
        (b"/decide/original", {b"x-original-url": [b"/path"]}),
        (b"/decide/envoy/", {}),
        (b"/decide", {b"host": [b"127.0.0.1:9054"]}),
        (b"/decide", {b"x-forwarded-host": [b"a.example"], b"x-original-url": [b"http://b\\ad/"]}),
        (b"/decide/forwarded", {b"x-forwarded-host": [b"a.example, " * MAX_HOSTS + b"b.example"]}),
        (b"/decide/url?host=a.example&status=200", None),
        (b"/decide/url?host=a.example&status=4040", None),
        (b"/decide/url?host=a.example&status=4%D9%A0%D9%A0", None),
    ],
)
def test_no_host_or_one_that_cannot_be_read_is_a_bad_request(
    target: bytes, fields: dict[bytes, list[bytes]] | None
) -> None:
    assert status_of(target, fields) == 400


def test_a_second_host_field_is_judged_too() -> None:
    fields = {b"x-forwarded-host": [b"a.example, b.example", b"c.example"], b"host": [b"a.example", b"b.example"]}
    assert hosts(b"/decide/forwarded", fields) == ["a.example", "b.example", "c.example"]
    assert hosts(b"/decide/envoy/", fields) == ["a.example", "b.example"]


@pytest.mark.parametrize("target", [b"/", b"/decide/", b"/decide/other", b"/decide/envoyx", b"http://a.example/", b"*"])
def test_every_other_path_is_not_found(target: bytes) -> None:
    assert status_of(target) == 404


def test_queries_are_bounded() -> None:
    assert status_of(b"/decide/url?host=a.example&x=" + b"a" * MAX_QUERY) == 414
    assert status_of(b"/decide/url?host=a.example" + b"&x" * MAX_PARAMETERS) == 414


def test_a_recipe_sets_the_status_of_a_block_and_whether_it_counts() -> None:
    asked = asked_by(ProxyRequest(b"GET", b"/decide/url?host=a.example&status=403&counts=no"))
    assert (asked.status, asked.counts, asked.allowed) == (403, False, 204)
    asked = asked_by(ProxyRequest(b"GET", b"/decide/envoy/?status=403&counts=no", EVERY))
    assert (asked.status, asked.counts, asked.allowed) == (0, True, 200), "what follows is the client's"
    assert asked.hosts == (Host(key=key_from_text("by-host.example")),)
