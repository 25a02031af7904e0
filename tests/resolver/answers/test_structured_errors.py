"""Clients over encrypted transports that ask for it are told of a block in a way that programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.orders import Action, Entry, LocalRecord, Mandate, Reason, Verdict
from blockd.orders.structured import StructuredReply
from blockd.resolver.answers import BlockAnswers, Sinkhole, answer
from blockd.resolver.query import Query
from tests.resolver.rig import SINKHOLE, STRANGER, Answer, Rig, order, question
from tests.upstream import UpstreamSimulator

CLIENT_OPTION = 65_432
EMPTY_ERROR = (15, b"\0\0")
ASKING = (CLIENT_OPTION, b"")
ENCRYPTED = (Transport.DOT, Transport.DOH)
CLEAR = (Transport.UDP, Transport.TCP)
TEXT = "order order-1, ministry; objections: objections@example.net"
STRUCTURED = {
    "c": ["mailto:objections@example.net"],
    "l": "en",
    "j": "order order-1, ministry",
}

Option = tuple[int, bytes]


def asking(name: str, *options: Option, kind: str = "A", **edns: Any) -> dns.message.Message:
    generic = [dns.edns.GenericOption(dns.edns.OptionType(code), content) for code, content in options]
    return question(name, kind, use_edns=0, options=generic, **edns)


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    rig = Rig(tmp_path, upstream.upstream, serving={"client_option": CLIENT_OPTION})
    rig.enforce([(order(), ["listed.example"])])
    return rig


def told(rig: Rig, name: str, *options: Option, transport: Transport = Transport.DOT, kind: str = "A") -> Answer:
    wire = rig.begin(asking(name, *options, kind=kind).to_wire(), transport)
    assert wire is not None
    return Answer(dns.message.from_wire(wire))


def structured(given: Answer) -> tuple[int, dict[str, Any]]:
    assert given.error is not None
    return given.error[0], json.loads(given.error[1])


@pytest.mark.parametrize("transport", ENCRYPTED)
@pytest.mark.parametrize("option", [ASKING, EMPTY_ERROR])
def test_who_asks_over_an_encrypted_transport_is_told(rig: Rig, transport: Transport, option: Option) -> None:
    given = told(rig, "listed.example", option, transport=transport)
    assert structured(given) == (16, STRUCTURED)
    assert (given.rcode, given.records, given.negative_ttl) == ("NXDOMAIN", [], 60)


@pytest.mark.parametrize(
    ("transport", "options"),
    [
        *((transport, (option,)) for transport in CLEAR for option in (ASKING, EMPTY_ERROR)),
        *((transport, ()) for transport in ENCRYPTED),
        (Transport.DOT, ((CLIENT_OPTION, b"\0"),)),
        (Transport.DOT, ((CLIENT_OPTION + 1, b""),)),
        (Transport.DOT, ((15, b"\0\1"),)),
        (Transport.DOT, ((15, b"\0\0x"),)),
        (Transport.DOT, ((15, b""),)),
    ],
)
def test_all_others_get_the_text_for_people_and_the_sinkhole(
    rig: Rig, transport: Transport, options: tuple[Option, ...]
) -> None:
    given = told(rig, "listed.example", *options, transport=transport)
    assert given.error == (16, TEXT)
    assert given.records == ["60 192.0.2.80"]


def test_without_a_code_of_theirs_clients_ask_by_an_empty_error_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.enforce([(order(), ["listed.example"])])
    assert told(rig, "listed.example", ASKING).error == (16, TEXT)
    assert told(rig, "listed.example", (0, b"")).error == (16, TEXT)
    assert structured(told(rig, "listed.example", EMPTY_ERROR)) == (16, STRUCTURED)


@pytest.mark.parametrize("kind", ["A", "AAAA", "HTTPS", "TXT"])
@pytest.mark.parametrize(("answer", "rcode"), [(Action.NXDOMAIN, "NXDOMAIN"), (Action.NODATA, "NOERROR")])
def test_a_setting_says_what_they_get_in_place_of_the_sinkhole(
    tmp_path: Path, answer: Action, rcode: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinkhole = Sinkhole(SINKHOLE.ipv4, SINKHOLE.ipv6, SINKHOLE.ttl, structured=StructuredReply(answer, "sample"))
    monkeypatch.setattr("tests.resolver.rig.SINKHOLE", sinkhole)
    rig = Rig(tmp_path)
    rig.enforce([(order(), ["listed.example"])])
    given = told(rig, "www.listed.example", EMPTY_ERROR, kind=kind)
    assert (given.rcode, given.records, given.negative_ttl) == (rcode, [], 60)
    assert structured(given)[1]["fdbs"] == [{"db": "sample", "id": "order-1"}]
    assert str(given.message.authority[0].name) == "listed.example."


@pytest.mark.parametrize(
    ("action", "rcode", "mandate", "code"),
    [
        (Action.NXDOMAIN, "NXDOMAIN", Mandate.OPERATOR, 15),
        (Action.NODATA, "NOERROR", Mandate.CLIENT, 17),
        (Action.REFUSED, "REFUSED", None, 15),
    ],
)
def test_other_actions_stay_what_they_are(
    rig: Rig, action: Action, rcode: str, mandate: Mandate | None, code: int
) -> None:
    rig.enforce([(order(action=action, mandate=mandate), ["listed.example"])])
    given = told(rig, "listed.example", ASKING)
    assert given.rcode == rcode
    sub_error = {"s": 6} if mandate is Mandate.OPERATOR else {}
    assert structured(given) == (code, {**STRUCTURED, **sub_error})


def test_silence_stays_silence_and_what_only_counts_only_counts(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("seen.example", "A", "seen.example. 60 IN A 192.0.2.1")
    seen = order("order-2", Action.MONITOR)
    rig.enforce([(order(action=Action.DROP), ["listed.example"]), (seen, ["seen.example"])])
    assert rig.begin(asking("listed.example", ASKING).to_wire(), Transport.DOT) is None
    assert rig.answer("seen.example", transport=Transport.DOT, use_edns=0).error is None


def test_what_an_answer_leads_to_is_told_as_the_name_itself(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("open.example", "A", "open.example. 60 IN CNAME listed.example.\nlisted.example. 60 IN A 192.0.2.1")
    generic = [dns.edns.GenericOption(dns.edns.OptionType(CLIENT_OPTION), b"")]
    for _ in range(2):  # the second time it is known
        given = rig.answer("open.example", transport=Transport.DOH, use_edns=0, options=generic)
        assert (given.rcode, structured(given)) == ("NXDOMAIN", (16, STRUCTURED))
    assert rig.answer("open.example", transport=Transport.DOH, use_edns=0).records == ["60 192.0.2.80"]


def test_an_alias_of_an_order_is_followed_and_told(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("landing.example", "A", "landing.example. 60 IN A 192.0.2.9")
    rig.enforce([(order(action=Action.CNAME, cname="landing.example"), ["listed.example"])])
    generic = [dns.edns.GenericOption(dns.edns.OptionType(CLIENT_OPTION), b"")]
    for _ in range(2):
        given = rig.answer("listed.example", transport=Transport.DOT, use_edns=0, options=generic)
        assert given.records[-1] == "60 192.0.2.9"
        assert structured(given) == (16, STRUCTURED)


def test_a_list_that_is_stale_says_so(rig: Rig) -> None:
    rig.pass_time(2, 0)
    assert structured(told(rig, "listed.example", ASKING))[1]["j"].endswith("; list not renewed in time")


@pytest.mark.parametrize("room", [2_000, 60, 20, 3])
def test_on_overflow_justification_and_organization_go_first_then_the_text_then_all_and_never_the_records(
    room: int,
) -> None:
    answers = BlockAnswers(SINKHOLE, 1)
    made = order()
    verdict = Verdict(Reason.LISTED, made, Entry(b"\7example"), order_index=0)
    query = Query(asking("listed.example", EMPTY_ERROR).to_wire(), Transport.DOT)
    assert query.explains
    fixed = 12 + len(query.question) + 11
    records = b"\xc0\x0c\0\x10\0\1\0\0\0\x3c" + (query.limit - fixed - 12 - room).to_bytes(2)
    records += bytes(query.limit - fixed - 12 - room)
    wire = answer(query, counts=(1, 0, 0), records=records, errors=answers.errors(verdict, explains=True))
    assert len(wire) <= query.limit
    given = dns.message.from_wire(wire)
    assert not given.flags & dns.flags.TC
    assert given.answer
    error = Answer(given).error
    if room == 2_000:
        assert error == (16, json.dumps(STRUCTURED, separators=(",", ":")))
    elif room == 60:
        assert error == (16, '{"c":["mailto:objections@example.net"]}')
    elif room == 20:
        assert error == (16, "")
    elif room == 3:
        assert error is None


def test_records_of_a_policy_zone_come_with_it(rig: Rig) -> None:
    local = order(action=Action.LOCAL, records=(LocalRecord(1, 60, b"\xc0\0\2\7"),))
    rig.enforce([(local, ["listed.example"])])
    given = told(rig, "listed.example", ASKING)
    assert (given.records, structured(given)) == (["60 192.0.2.7"], (16, STRUCTURED))


@pytest.mark.parametrize("text", ['{"c":["tel:+15550123"],"j":"call us"}', ' {"s":1}'])
def test_an_upstreams_structured_error_is_no_structured_error_of_ours(
    rig: Rig, upstream: UpstreamSimulator, text: str
) -> None:
    option = b"\0\x0f" + (2 + len(text)).to_bytes(2) + b"\0\x0f" + text.encode()

    def make(query: bytes) -> bytes:
        opt = b"\0\0\x29\x04\xd0\0\0\0\0" + len(option).to_bytes(2) + option
        return query[:2] + b"\x81\x83\0\1\0\0\0\0\0\1" + query[12:-11] + opt

    upstream.make = make
    generic = [dns.edns.GenericOption(dns.edns.OptionType(CLIENT_OPTION), b"")]
    given = rig.answer("filtered.example", transport=Transport.DOT, use_edns=0, options=generic)
    assert given.error == (15, f"upstream: {text}")


def test_a_client_that_is_not_served_is_told_nothing(rig: Rig) -> None:
    wire = rig.begin(asking("listed.example", ASKING).to_wire(), Transport.DOT, host=STRANGER)
    assert wire is not None
    assert Answer(dns.message.from_wire(wire)).error is None
