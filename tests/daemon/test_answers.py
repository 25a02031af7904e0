"""DESIGN's table "Answers for a listed name", row by row, over real sockets."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import dns.exception
import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from tests.daemon.harness import HAS_IPV6, Daemon, has_dig, request, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

NEEDS_DIG = pytest.mark.skipif(not has_dig(), reason="dig (Debian: bind9-dnsutils) is not installed")
WAYS = [
    pytest.param(
        {"host": host, "tcp": tcp},
        marks=pytest.mark.skipif(host == "::1" and not HAS_IPV6, reason="this machine has no IPv6"),
        id=f"{'TCP' if tcp else 'UDP'} over {'IPv6' if host == '::1' else 'IPv4'}",
    )
    for host in ("127.0.0.1", "::1")
    for tcp in (False, True)
]
Way = dict[str, Any]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("answers")
    publisher = Publisher(folder / "authority")
    publisher.order("order-1", ["listed.example", {"name": "exact.example", "scope": "exact"}])
    publisher.publish()
    feeds = [publisher.feed()]
    for action in ("nxdomain", "nodata", "refused", "drop", "tcp-only", "monitor"):
        write_list(folder / action, [f"{action}.example"])
        feeds.append({"name": action, "type": "domains", "path": action, "action": action})
    write_list(folder / "addresses", ["allowed.listed.example"])
    feeds.append({"name": "exceptions", "type": "domains", "path": "addresses", "action": "allow"})
    write_list(
        folder / "hosts", ["45.33.32.156", "2606:4700:10::/48", *(f"45.33.33.{n}" for n in range(3)), "10.0.0.1"]
    )
    told = {"authority": "Board", "contact": "b@board.example"}
    feeds.append({"name": "isp", "type": "addresses", "path": "hosts", **told})
    resolver.plan("shop.example", "A", "shop.example. 60 IN A 192.0.2.1", "shop.example. 60 IN A 45.33.32.156")
    resolver.plan("shop.example", "AAAA", "shop.example. 60 IN AAAA 2606:4700:10::7")
    resolver.plan("shop.example", "HTTPS", "shop.example. 60 IN HTTPS 1 . alpn=h2 ipv4hint=45.33.32.156")
    resolver.plan("neighbour.example", "A", "neighbour.example. 60 IN A 45.33.32.157")
    resolver.plan(
        "alias.example", "A", "alias.example. 60 IN CNAME listed.example.", "listed.example. 60 IN A 192.0.2.9"
    )
    resolver.plan("hint.example", "HTTPS", "hint.example. 60 IN HTTPS 1 listed.example. alpn=h2 ipv4hint=192.0.2.9")
    resolver.plan("allowed.listed.example", "A", "allowed.listed.example. 60 IN A 192.0.2.77")
    resolver.plan("monitor.example", "A", "monitor.example. 60 IN A 192.0.2.78")
    resolver.plan("tcp-only.example", "A", "tcp-only.example. 60 IN A 192.0.2.79")
    resolver.plan("sub.exact.example", "A", "sub.exact.example. 60 IN A 192.0.2.80")
    operator = {"url": "https://www.provider.example/blocked", "name": "Provider", "contact": "help@provider.example"}
    resolver.plan("www.in.corp.example", "A", "www.in.corp.example. 60 IN A 192.0.2.81")
    names: dict[str, Any] = {
        "local": {
            "zones": [{"zone": "corp.example", "records": ["www 300 A 192.0.2.5"]}],
            "names": {"nas.lan": "10.9.9.9"},
        },
        "forward": [{"zone": "in.corp.example", "upstreams": [resolver.address]}],
        "canaries": True,
    }
    with Daemon(folder, *feeds, upstream=resolver.address, operator=operator, **names) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["listed.example", "deep.below.listed.example", "LiStEd.eXample"])
def test_addresses_are_the_sinkholes(daemon: Daemon, way: Way, name: str) -> None:
    for kind, address in (("A", "127.0.0.1"), ("AAAA", "::1")):
        told = daemon.ask(name, kind, **way)
        assert told.rcode == "NOERROR"
        assert told.addresses == [address]
        (rrset,) = told.message.answer
        assert rrset.ttl == 60
        assert rrset.name.to_text(omit_final_dot=True) == name


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["HTTPS", "SVCB", "MX", "TXT", "NS", "SOA", "CNAME", "ANY", "TYPE65280"])
def test_other_types_have_no_data_for_as_long(daemon: Daemon, way: Way, kind: str) -> None:
    message = daemon.ask("listed.example", kind, **way).message
    assert message.rcode() == dns.rcode.NOERROR
    assert not message.answer
    (soa,) = message.authority
    assert soa.rdtype == dns.rdatatype.SOA
    assert (soa.ttl, soa[0].minimum) == (60, 60)
    assert soa.name.to_text() == "listed.example."


@pytest.mark.parametrize("way", WAYS)
def test_order_by_law_is_told_as_censored(daemon: Daemon, way: Way) -> None:
    ((code, text),) = daemon.ask("listed.example", edns=True, **way).errors
    assert code == 16
    assert "order-1" in text
    assert "objections@example.net" in text


def test_operators_own_list_is_told_as_blocked(daemon: Daemon) -> None:
    ((code, text),) = daemon.ask("nxdomain.example", edns=True).errors
    assert code == 15
    assert text == "list nxdomain, Provider; objections: help@provider.example"


def test_client_without_edns_gets_none(daemon: Daemon) -> None:
    assert daemon.ask("listed.example").message.edns == -1


@pytest.mark.parametrize("way", WAYS)
def test_asking_for_dnssec_is_no_way_round(daemon: Daemon, way: Way) -> None:
    told = daemon.ask("listed.example", do=True, flags=dns.flags.RD | dns.flags.AD | dns.flags.CD, **way)
    assert told.addresses == ["127.0.0.1"]
    assert not told.message.flags & dns.flags.AD
    assert told.message.ednsflags & dns.flags.DO
    assert told.errors[0][0] == 16


@pytest.mark.parametrize("way", WAYS)
def test_alias_of_a_listed_name_is_answered_as_the_name(daemon: Daemon, way: Way) -> None:
    told = daemon.ask("alias.example", edns=True, **way)
    assert told.addresses == ["127.0.0.1"]
    assert told.errors[0][0] == 16
    hint = daemon.ask("hint.example", "HTTPS", edns=True, **way)
    assert not hint.message.answer
    assert hint.errors[0][0] == 16


@pytest.mark.parametrize("way", WAYS)
def test_answer_with_a_listed_address_is_answered_as_a_listed_name(daemon: Daemon, way: Way) -> None:
    told = daemon.ask("shop.example", edns=True, **way)
    assert told.addresses == ["127.0.0.1"]
    ((_, text),) = told.errors
    assert "isp" in text
    assert "Board" in text
    assert "b@board.example" in text
    assert daemon.ask("shop.example", "AAAA", **way).addresses == ["::1"]
    assert not daemon.ask("shop.example", "HTTPS", **way).message.answer
    assert daemon.ask("neighbour.example", **way).addresses == ["45.33.32.157"]


def test_feed_of_addresses_is_counted_like_any_other(daemon: Daemon) -> None:
    before = daemon.metric("blockd_hits_total", feed="isp", action="sinkhole")
    daemon.ask("shop.example")
    until(lambda: daemon.metric("blockd_hits_total", feed="isp", action="sinkhole") > before, "the hit is counted")
    assert daemon.metric("blockd_ruleset_networks") == 5
    feed = daemon.feed("isp")
    assert (feed["type"], feed["names"], feed["rejected"], feed["refusal"]) == ("addresses", 5, 1, None)
    status = daemon.run_verb("status").stdout
    assert "names, 5 networks" in status
    assert "feed isp (addresses): 5 addresses" in status
    assert "feed isp (addresses): 5 addresses" in daemon.banner


@pytest.mark.parametrize(("name", "rcode"), [("nxdomain", "NXDOMAIN"), ("nodata", "NOERROR"), ("refused", "REFUSED")])
@pytest.mark.parametrize("way", WAYS)
def test_other_actions_have_their_rcodes(daemon: Daemon, way: Way, name: str, rcode: str) -> None:
    told = daemon.ask(f"{name}.example", **way)
    assert told.rcode == rcode
    assert not told.message.answer


def test_tcp_only_is_truncated_over_udp_and_resolved_over_tcp(daemon: Daemon) -> None:
    assert daemon.ask("tcp-only.example").message.flags & dns.flags.TC
    assert daemon.ask("tcp-only.example", tcp=True).addresses == ["192.0.2.79"]


def test_drop_is_counted_and_not_answered(daemon: Daemon) -> None:
    before = daemon.metric("blockd_hits_total", feed="drop")
    with pytest.raises(dns.exception.Timeout):
        daemon.ask("drop.example", timeout=0.3)
    until(lambda: daemon.metric("blockd_hits_total", feed="drop") == before + 1, "the hit is counted")


def test_monitored_name_is_counted_and_resolved(daemon: Daemon) -> None:
    before = daemon.metric("blockd_hits_total", feed="monitor", action="monitor")
    assert daemon.ask("monitor.example").addresses == ["192.0.2.78"]
    assert daemon.metric("blockd_hits_total", feed="monitor", action="monitor") == before + 1


def test_allowed_name_below_a_listed_one_is_resolved(daemon: Daemon) -> None:
    assert daemon.ask("allowed.listed.example").addresses == ["192.0.2.77"]


def test_exact_entry_does_not_cover_names_below(daemon: Daemon) -> None:
    assert daemon.ask("exact.example").addresses == ["127.0.0.1"]
    assert daemon.ask("sub.exact.example").addresses == ["192.0.2.80"]


@NEEDS_DIG
def test_dig_shows_the_order(daemon: Daemon) -> None:
    for arguments in ((), ("+tcp",), ("+dnssec",)):
        told = daemon.dig("listed.example", *arguments)
        assert re.search(r"EDE: 16 \(Censored\): \(order order-1, Sample Authority; objections: objections@", told)
        assert re.search(r"^listed\.example\.\s+60\s+IN\s+A\s+127\.0\.0\.1$", told, re.MULTILINE)
    assert "EDE" not in daemon.dig("listed.example", "+noedns")


def test_hits_are_counted_by_order(daemon: Daemon) -> None:
    labels = {"feed": "ministry", "platform": "Example Messenger", "order": "order-1", "action": "sinkhole"}
    before = daemon.metric("blockd_hits_total", **labels)
    daemon.ask("listed.example")
    daemon.ask("listed.example", "HTTPS", tcp=True)
    assert daemon.metric("blockd_hits_total", **labels) == before + 2


def test_every_link_that_the_start_up_prints_leads_somewhere(daemon: Daemon) -> None:
    links = re.findall(r"http://\S+", daemon.banner)
    paths = re.findall(r"(?<=[( ])/\w\S*(?<!\))", daemon.banner.partition("admin")[2].splitlines()[0])
    assert {urlsplit(link).port for link in links} == {daemon.http_port, daemon.admin_port}
    assert "/metrics" in paths
    for link in (*links, *(f"http://127.0.0.1:{daemon.admin_port}{path}" for path in paths)):
        try:
            with urlopen(link, timeout=30) as response:  # noqa: S310 - of the daemon's own
                status = response.status
        except HTTPError as asks_for_token:
            with asks_for_token:
                status = asks_for_token.code
        is_console = urlsplit(link).port == daemon.admin_port and not urlsplit(link).path
        assert status == (401 if is_console else 200), link


def test_the_block_page_looks_names_up_as_dns_answers_them(daemon: Daemon) -> None:
    for name in ("listed.example", "nxdomain.example", "refused.example", "allowed.listed.example", "monitor.example"):
        before = daemon.metric("blockd_hits_total", protocol="http")
        with request("GET", daemon.http_port, f"/?name={name}", {"Accept": "application/json"}) as response:
            told = json.load(response)
        ((code, _),) = daemon.ask(name, edns=True).errors or [(0, "")]
        assert told["blocked"] == (code in (15, 16, 17)), name
        assert daemon.metric("blockd_hits_total", protocol="http") == before


def test_a_long_request_for_a_blocked_name_gets_its_page_and_is_counted(daemon: Daemon) -> None:
    before = daemon.metric("blockd_hits_total", order="order-1", protocol="http")
    arrived = daemon.metric("blockd_queries_total", transport="http")
    with request(
        "GET", daemon.http_port, "/" + "a" * 20_000, {"Host": "listed.example", "X": "b" * 20_000}
    ) as response:
        assert response.status == 451
    assert daemon.metric("blockd_hits_total", order="order-1", protocol="http") == before + 1
    assert daemon.metric("blockd_queries_total", transport="http") == arrived + 1


@pytest.mark.parametrize(("language", "word"), [("en", "Legal basis"), ("id", "Dasar hukum")])
def test_visit_to_the_sinkhole_is_told_why_in_its_language(daemon: Daemon, language: str, word: str) -> None:
    before = daemon.metric("blockd_hits_total", order="order-1", action="page")
    headers = {"Host": "www.listed.example", "Accept-Language": language, "Accept": "text/html"}
    with request("GET", daemon.http_port, "/any/path", headers) as response:
        page = response.read().decode()
        assert response.status == 451
        assert response.getheader("Link") == '<https://www.provider.example/blocked>; rel="blocked-by"'
        assert response.getheader("Content-Language") == language
    for text in (word, "Sample Authority", "Sample regulation 1", "objections@example.net", "order-1"):
        assert text in page
    assert daemon.metric("blockd_hits_total", order="order-1", action="page") == before + 1


def test_visit_under_a_name_that_is_not_listed_is_404(daemon: Daemon) -> None:
    with request("GET", daemon.http_port, "/", {"Host": "open-1.example"}) as response:
        assert response.status == 404
        assert response.getheader("Link") is None


def test_tls_is_refused_with_an_alert_and_counted(daemon: Daemon) -> None:
    before = daemon.metric("blockd_hits_total", order="order-1", action="alert")
    assert "ACCESS_DENIED" in _handshake_refusal(daemon, "www.listed.example")
    assert daemon.metric("blockd_hits_total", order="order-1", action="alert") == before + 1
    assert "UNRECOGNIZED_NAME" in _handshake_refusal(daemon, "open-1.example")
    assert daemon.metric("blockd_hits_total", order="order-1", action="alert") == before + 1


def test_stranger_is_refused(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> None:
    clients = {"allow": ["127.0.0.1/32"]}
    with Daemon(tmp_path_factory.mktemp("clients"), upstream=resolver.address, clients=clients) as daemon:
        assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
        refused = daemon.ask("open-1.example", source="127.0.0.2", edns=True)
        assert refused.rcode == "REFUSED"
        assert refused.errors == [], "strangers are told as little as possible"


def _handshake_refusal(daemon: Daemon, name: str) -> str:
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", daemon.tls_port), 10) as connection,
        pytest.raises(ssl.SSLError) as refused,
    ):
        context.wrap_socket(connection, server_hostname=name)
    return refused.value.reason or ""


@pytest.mark.parametrize("way", WAYS)
def test_names_that_are_answered_here_and_those_that_are_forwarded(
    daemon: Daemon, resolver: UpstreamSimulator, way: Way
) -> None:
    for name, kind, address in (("www.corp.example", "A", "192.0.2.5"), ("localhost", "AAAA", "::1")):
        told = daemon.ask(name, kind, **way).message
        assert [data.to_text() for data in told.answer[0]] == [address]
        assert told.flags & dns.flags.AA
    for name in ("none.corp.example", "www.onion"):
        assert daemon.ask(name, "A", **way).message.rcode() == dns.rcode.NXDOMAIN
    for name in ("_dns.resolver.arpa", "use-application-dns.net"):
        told = daemon.ask(name, "SVCB", **way).message
        assert (told.rcode(), told.answer) == (dns.rcode.NOERROR, [])
    asked = {seen.name for seen in resolver.seen}
    assert not {"www.corp.example", "none.corp.example", "www.onion", "_dns.resolver.arpa"} & asked
    assert [data.to_text() for data in daemon.ask("www.in.corp.example", "A", **way).message.answer[0]] == [
        "192.0.2.81"
    ]
    assert daemon.ask("9.9.9.11.in-addr.arpa", "PTR", **way).message.rcode() == dns.rcode.NXDOMAIN
    assert daemon.ask("9.9.9.10.in-addr.arpa", "PTR", **way).message.answer[0][0].to_text() == "nas.lan."


def test_who_answers_for_a_name_is_told(daemon: Daemon, resolver: UpstreamSimulator) -> None:
    told = daemon.status()["resolution"]
    assert told["zones"] == [{"zone": "corp.example", "records": 1}]
    assert told["forward"] == [{"zone": "in.corp.example", "upstreams": [resolver.address]}]
    on = {default["zone"] for default in told["defaults"] if default["on"]}
    assert on == {"localhost", "test", "invalid", "onion", "alt", "resolver.arpa"}, "the upstream is on loopback"
    found = json.loads(daemon.run_verb("lookup", "--json", "none.corp.example").stdout)
    assert found["resolved"] == {"by": "local", "zone": "corp.example", "source": "local.zones", "upstreams": []}
    (question,) = [one for one in found["aliases"]["questions"] if one["type"] == "A"]
    assert question["why"] == "the local zone corp.example says that the name does not exist"
    shown = daemon.run_verb("lookup", "www.in.corp.example").stdout
    assert f"resolved:     in.corp.example is forwarded to {resolver.address}\n" in shown
