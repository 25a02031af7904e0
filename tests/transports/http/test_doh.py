from __future__ import annotations

import base64

import dns.flags
import dns.message
import dns.rrset
import pytest

from blockd.transports.http.doh import MAX_PARAMETER, answer_fields, question_of
from blockd.transports.http.limits import MAX_MESSAGE
from blockd.transports.http.pages import page_of
from blockd.transports.http.request import HttpRequest
from tests.transports.http.raw import MESSAGE

PATH = b"/dns-query"


def encoded(message: bytes) -> bytes:
    return base64.urlsafe_b64encode(message).rstrip(b"=")


def get(target: bytes) -> HttpRequest:
    request = HttpRequest(1)
    request.method, request.target = b"GET", target
    return request


def post(body: bytes, content_type: bytes = b"application/dns-message", target: bytes = PATH) -> HttpRequest:
    request = HttpRequest(1)
    request.method, request.target, request.body, request.content_type = b"POST", target, body, content_type
    return request


@pytest.mark.parametrize("size", range(12, 20))
def test_a_message_comes_in_base64url(size: int) -> None:
    message = b"\xfb\xff" + bytes((0, *range(0xF0, 0xF0 + size - 3)))
    assert question_of(get(PATH + b"?dns=" + encoded(message)), PATH) == message
    assert question_of(get(PATH + b"?dns=" + base64.urlsafe_b64encode(message)), PATH) == message
    assert question_of(get(PATH + b"?x=1&dns=" + encoded(message) + b"&y"), PATH) == message


@pytest.mark.parametrize("content_type", [b"application/dns-message", b"Application/DNS-Message ; charset=x"])
def test_a_message_comes_in_the_body_of_a_post(content_type: bytes) -> None:
    assert question_of(post(MESSAGE, content_type), PATH) == MESSAGE


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"", 400),
        (b"?", 400),
        (b"?dns=", 400),
        (b"?DNS=" + encoded(MESSAGE), 400),
        (b"?dns=" + encoded(MESSAGE) + b"&dns=" + encoded(MESSAGE), 400),
        (b"?dns=" + encoded(MESSAGE[:11]), 400),
        (b"?dns=" + encoded(MESSAGE) + b"=A", 400),
        (b"?dns=" + encoded(MESSAGE)[:-1], 400),
        (b"?dns=AAAA+AAA/AAAAAAA", 400),
        (b"?dns=AAAA%41AAAAAAAAAAAAAAAA", 400),
        (b"?dns=" + encoded(b"\0\0\x81\x80" + MESSAGE[4:]), 400),
        (b"?dns=" + b"A" * (MAX_PARAMETER + 1), 414),
    ],
)
def test_what_is_no_question_is_refused(query: bytes, status: int) -> None:
    assert question_of(get(PATH + query), PATH) == status


def test_a_long_message_is_taken() -> None:
    message = MESSAGE + bytes(MAX_MESSAGE - len(MESSAGE))
    assert question_of(get(PATH + b"?dns=" + encoded(message)), PATH) == message


@pytest.mark.parametrize("target", [b"/", b"/dns-query/", b"/dns-query2", b"*", b"/DNS-query", b"//dns-query", b""])
def test_every_other_path_is_not_found(target: bytes) -> None:
    assert question_of(get(target + b"?dns=" + encoded(MESSAGE)), PATH) == 404
    assert question_of(post(MESSAGE, target=target), PATH) == 404


def test_other_methods_and_types_are_refused() -> None:
    request = get(PATH)
    request.method = b"HEAD"
    assert question_of(request, PATH) == 405
    assert question_of(post(MESSAGE, b"text/plain"), PATH) == 415
    assert question_of(post(MESSAGE, b""), PATH) == 415
    assert question_of(post(b""), PATH) == 400
    refused = post(MESSAGE)
    refused.refusal = 413
    assert question_of(refused, PATH) == 413


def answer(*lines: str, authority: str = "", rcode: str = "NOERROR") -> bytes:
    response = dns.message.make_response(dns.message.make_query("www.example.", "A", use_edns=True, id=0))
    response.set_rcode(dns.rcode.from_text(rcode))
    for line in lines:
        owner, ttl, kind, data = line.split(maxsplit=3)
        response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    if authority:
        owner, ttl, kind, data = authority.split(maxsplit=3)
        response.authority.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return response.to_wire()


SOA = "example. 900 SOA ns.example. admin.example. 1 2 3 4"


KEPT = [
    (answer("www.example. 300 A 192.0.2.1"), b"max-age=300"),
    (answer("www.example. 300 CNAME a.example.", "a.example. 20 A 192.0.2.1"), b"max-age=20"),
    (answer("www.example. 0 A 192.0.2.1"), b"max-age=0"),
    (answer("www.example. 300 A 192.0.2.1", authority="example. 10 NS ns.example."), b"max-age=300"),
    (answer(authority=f"{SOA} 600"), b"max-age=600"),
    (answer(authority=f"{SOA} 3600"), b"max-age=900"),
    (answer(authority=f"{SOA} 600", rcode="NXDOMAIN"), b"max-age=600"),
    (answer("www.example. 30 CNAME a.example.", authority=f"{SOA} 600", rcode="NXDOMAIN"), b"max-age=30"),
    (answer(authority=f"{SOA} {(1 << 31) - 1}".replace("900", "2147483647")), b"max-age=2147483647"),
    (answer(), b"no-store"),
    (answer(rcode="NXDOMAIN"), b"no-store"),
    (answer("www.example. 300 A 192.0.2.1", rcode="SERVFAIL"), b"no-store"),
    (answer(rcode="REFUSED"), b"no-store"),
    (answer("www.example. 300 A 192.0.2.1").replace((300).to_bytes(4), b"\x80\0\0\0"), b"max-age=0"),
]


@pytest.mark.parametrize(("message", "control"), KEPT, ids=[control.decode() for _, control in KEPT])
def test_an_answer_may_be_kept_as_long_as_its_records(message: bytes, control: bytes) -> None:
    type_field, cache_control = answer_fields(message, False)
    assert type_field == (b"content-type", b"application/dns-message")
    assert cache_control == (b"cache-control", control)


def test_an_answer_for_some_clients_is_private() -> None:
    assert answer_fields(answer("www.example. 300 A 192.0.2.1"), True)[1][1] == b"private, max-age=300"
    assert answer_fields(answer(), True)[1][1] == b"no-store"


def test_a_message_that_is_cut_is_not_kept() -> None:
    whole = answer("www.example. 300 CNAME a.example.", "a.example. 20 A 192.0.2.1", authority=f"{SOA} 5")
    for size in range(len(whole)):
        control = answer_fields(whole[:size], False)[1][1]
        assert control == b"no-store" or size >= len(whole) - 11  # the OPT record


@pytest.mark.parametrize("status", [400, 404, 405, 413, 414, 415, 431, 501, 505])
def test_each_refusal_is_a_page_that_is_not_kept(status: int) -> None:
    told, fields, body = page_of(status, "/dns-query")
    assert told == status
    assert (b"cache-control", b"no-store") in fields
    assert body.decode().strip()
    assert (b"/dns-query" in body) == (status == 404)
    assert ((b"allow", b"GET, POST") in fields) == (status == 405)
