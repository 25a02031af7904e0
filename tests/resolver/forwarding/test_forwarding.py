from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import pytest

from blockd.metrics import Transport
from blockd.resolver.forwarding.health import failure_kept
from tests.resolver.rig import CLIENT, HASTY, Rig, question
from tests.upstream import Fault, UpstreamSimulator, closed_port

NAME = "www.example"


@pytest.fixture
def upstream(upstream: UpstreamSimulator) -> UpstreamSimulator:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    return upstream


@pytest.fixture
def bad() -> Iterator[UpstreamSimulator]:
    """An upstream that is asked first."""
    with UpstreamSimulator() as simulator:
        yield simulator


def test_the_question_is_forwarded_with_edns_and_without_the_client(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.answer(NAME, use_edns=0, options=[])
    seen = upstream.seen[0].message
    assert (upstream.seen[0].transport, upstream.seen[0].name, upstream.seen[0].type) == ("udp", NAME, "A")
    assert (seen.edns, seen.payload, seen.options) == (0, 1232, ())
    assert seen.flags & dns.flags.RD


def test_the_answer_comes_with_its_flags_and_records(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "NS", f"{NAME}. 99 IN NS ns.{NAME}.", additional=[f"ns.{NAME}. 98 IN A 198.51.100.2"])
    answer = rig.answer(NAME, "NS", use_edns=0)
    assert answer.records == [f"99 ns.{NAME}."]
    assert answer.message.additional[0].ttl == 98
    assert answer.has(dns.flags.QR, dns.flags.RD, dns.flags.RA)
    assert answer.message.payload == 1232


def test_every_question_has_its_own_id_and_port(rig: Rig, upstream: UpstreamSimulator) -> None:
    for number in range(20):
        rig.answer(f"{number}.example")
    assert len({seen.id for seen in upstream.seen}) > 18
    assert len({seen.port for seen in upstream.seen}) > 18
    assert all(seen.port >= 1024 for seen in upstream.seen)


def test_a_second_try_has_another_id_and_port(tmp_path: Path) -> None:
    with UpstreamSimulator() as upstream:
        upstream.faults = {Fault.FORMERR}
        Rig(tmp_path, upstream.upstream).answer(NAME)
        first, second = upstream.seen
    assert first.id != second.id
    assert first.port != second.port


def test_do_and_cd_are_handed_on_and_kept_apart(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.answer(NAME)
    rig.answer(NAME, want_dnssec=True)
    rig.answer(NAME, flags=dns.flags.RD | dns.flags.CD)
    plain, secure, unchecked = (seen.message for seen in upstream.seen)
    assert not plain.ednsflags & dns.flags.DO
    assert secure.ednsflags & dns.flags.DO
    assert unchecked.flags & dns.flags.CD


def test_equal_questions_at_once_are_one_question_upstream(rig: Rig, upstream: UpstreamSimulator) -> None:
    async def ask_many() -> list[bytes | None]:
        packets = [question(NAME).to_wire() for _ in range(100)]
        with upstream.held():
            asked = [asyncio.ensure_future(rig.resolve(packet, CLIENT, Transport.UDP)) for packet in packets]
            await asyncio.to_thread(upstream.wait_for, 1)
        answers = await asyncio.gather(*asked)
        assert [answer[:2] for answer in answers if answer] == [packet[:2] for packet in packets]
        return answers

    assert None not in asyncio.run(ask_many())
    assert len(upstream.seen) == 1


def test_a_client_that_gives_up_leaves_the_others_their_answer(rig: Rig, upstream: UpstreamSimulator) -> None:
    async def ask_two() -> bytes | None:
        with upstream.held():
            first, second = (
                asyncio.ensure_future(rig.resolve(question(NAME).to_wire(), CLIENT, Transport.TCP)) for _ in range(2)
            )
            await asyncio.to_thread(upstream.wait_for, 1)
            first.cancel()
        await asyncio.wait([first])
        return await second

    assert asyncio.run(ask_two())


@pytest.mark.parametrize(
    "fault",
    [
        Fault.SERVFAIL,
        Fault.REFUSED,
        Fault.FORMERR,
        Fault.BADVERS,
        Fault.MALFORMED,
        Fault.TRAILING,
        Fault.OPT_TWICE,
        Fault.SILENCE,
        Fault.WRONG_ID,
        Fault.WRONG_QUESTION,
        Fault.NOT_AN_ANSWER,
        Fault.TRUNCATED_EVERYWHERE,
    ],
)
def test_the_next_upstream_is_asked(
    tmp_path: Path, bad: UpstreamSimulator, upstream: UpstreamSimulator, fault: Fault
) -> None:
    bad.plan(NAME, "A", f"{NAME}. 300 IN A 192.0.2.66")
    bad.faults = {fault}
    answer = Rig(tmp_path, bad.upstream, upstream.upstream).answer(NAME)
    bad.wait_for(1)
    assert answer.records == ["300 198.51.100.1"]


@pytest.mark.parametrize("fault", [Fault.OPT_FIRST, Fault.OPT_ABSENT, Fault.OTHER_CASE, Fault.STRAYS_FIRST, Fault.EDE])
def test_harmless_oddities_are_taken(rig: Rig, upstream: UpstreamSimulator, fault: Fault) -> None:
    upstream.faults = {fault}
    answer = rig.answer(NAME, use_edns=0)
    assert answer.records == ["300 198.51.100.1"]
    assert answer.error == ((9, "DNSKEY missing") if fault is Fault.EDE else None)
    assert answer.message.question[0].name.to_text() == f"{NAME}."


def test_a_flood_of_strays_is_evaded_over_tcp(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.STRAYS_ONLY}
    for number in range(5):  # nor is the upstream thought ill of, which has answered
        upstream.plan(f"{number}.example", "A", f"{number}.example. 300 IN A 198.51.100.1")
        assert rig.answer(f"{number}.example", use_edns=0).records == ["300 198.51.100.1"]
    assert [seen.transport for seen in upstream.seen] == ["udp", "tcp"] * 5


def test_a_flood_of_strays_ends_the_exchange_where_tcp_does_not_help(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.STRAYS_ONLY, Fault.HANG_UP}
    answer = rig.answer(NAME, use_edns=0)
    assert answer.rcode == "SERVFAIL"
    told = f"{upstream.address} seems to be imitated by somebody: too many messages came that do not fit the question"
    assert answer.error == (23, told)


def test_silence_is_told_as_no_reachable_authority(hasty_rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SILENCE}
    answer = hasty_rig.answer(NAME, use_edns=0)
    assert answer.rcode == "SERVFAIL"
    assert answer.tells_of_silence(upstream.address, HASTY)
    assert len(upstream.seen) == 1


def test_a_refused_connection_is_told_as_network_error(tmp_path: Path) -> None:
    answer = Rig(tmp_path, closed_port()).answer(NAME, use_edns=0)
    assert answer.rcode == "SERVFAIL"
    assert answer.error == (23, f"{closed_port().text} cannot be reached: connection refused")


def test_without_upstreams_every_question_fails(tmp_path: Path) -> None:
    answer = Rig(tmp_path).answer(NAME, use_edns=0)
    assert (answer.rcode, answer.error) == ("SERVFAIL", (22, "no upstream is known"))


def test_a_truncated_answer_is_asked_for_again_over_tcp(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.TRUNCATED}
    assert rig.answer(NAME).records == ["300 198.51.100.1"]
    assert [seen.transport for seen in upstream.seen] == ["udp", "tcp"]


@pytest.mark.parametrize("fault", [Fault.HANG_UP, Fault.SILENCE_OVER_TCP, Fault.TRUNCATED_EVERYWHERE])
def test_a_truncated_answer_is_never_given_as_a_whole_one(
    hasty_rig: Rig, upstream: UpstreamSimulator, fault: Fault
) -> None:
    upstream.faults = {Fault.TRUNCATED, fault}
    assert hasty_rig.answer(NAME).rcode == "SERVFAIL"
    upstream.faults = set()
    hasty_rig.clock.now += failure_kept(0)
    assert hasty_rig.answer(NAME).records == ["300 198.51.100.1"]


def test_a_big_answer_comes_over_tcp_and_is_truncated_over_udp(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    rig = Rig(tmp_path, upstream.upstream, attempts=1)  # an upstream that is slow is not asked again
    records = [f"{NAME}. 300 IN TXT {'x' * 200}{number}" for number in range(100)]
    upstream.plan(NAME, "TXT", *records)
    assert len(rig.answer(NAME, "TXT", transport=Transport.TCP).records) == 100
    assert rig.answer(NAME, "TXT").has(dns.flags.TC)
    assert [seen.transport for seen in upstream.seen] == ["udp", "tcp"]


def test_an_extended_rcode_is_no_noerror_for_a_client_without_edns(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.BADVERS}
    assert rig.answer(NAME).rcode == "SERVFAIL"


def test_ad_is_given_to_who_asks_for_it(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.make = lambda query: query[:2] + b"\x81\xa0" + query[4:6] + b"\0\0\0\0\0\1" + query[12:]
    assert not rig.answer(NAME).has(dns.flags.AD)
    assert rig.answer(NAME, flags=dns.flags.RD | dns.flags.AD).has(dns.flags.AD)
    assert rig.answer(NAME, want_dnssec=True).has(dns.flags.AD)


def test_a_name_with_a_zero_octet_is_matched_whole(hasty_rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("a\\000b.example", "A", "a\\000b.example. 300 IN A 198.51.100.4")
    assert hasty_rig.answer("a\\000b.example").records == ["300 198.51.100.4"]
    upstream.make = lambda query: query[:2] + b"\x81\x80" + query[4:12] + query[12:].replace(b"m", b"n")
    assert hasty_rig.answer("a\\000bcdef.example").rcode == "SERVFAIL"


def test_exchanges_are_counted_with_their_duration(rig: Rig) -> None:
    rig.answer(NAME)
    buckets, _ = rig.counters.upstream()
    assert sum(buckets) == 1
    assert (rig.counters.cache_hits(), rig.counters.cache_misses()) == (0, 1)
    rig.answer(NAME)
    assert (rig.counters.cache_hits(), rig.counters.cache_misses()) == (1, 1)


def test_an_upstream_over_ipv6(tmp_path: Path) -> None:
    try:
        with UpstreamSimulator("::1") as upstream:
            assert Rig(tmp_path, upstream.upstream).answer(NAME).rcode == "NXDOMAIN"
    except AssertionError:
        pytest.skip("this machine has no IPv6 loopback")
