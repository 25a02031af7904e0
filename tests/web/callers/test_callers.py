"""Who may do what at the admin port: what needs nothing, roles, sessions of a browser, names that it is called by."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from http.cookies import SimpleCookie

import pytest

from blockd.web.admin import admin_app
from blockd.web.admin_serving import serve_admin
from blockd.web.api.routes.signing_in import MAX_LOGIN
from blockd.web.callers.recognition import Callers
from blockd.web.callers.role import AccessRole
from blockd.web.callers.sessions import COOKIE, LIFETIME
from tests.web.known import TEXTS, Tokens, known
from tests.web.test_admin import Answer, Daemon, ask

ROUNDS = 20  # of the event loop, more than the server needs to see what has come
WRONG = TEXTS[AccessRole.READ] + "_"
OPERATOR = TEXTS[AccessRole.OPERATOR]


def without_metrics_token() -> Callers:
    callers = known()
    assert isinstance(callers.tokens, Tokens)
    callers.tokens.kept = tuple(token for token in callers.tokens.kept if token.role is not AccessRole.METRICS)
    return callers


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/status", "/api/v1/status"])
def test_what_needs_no_token(path: str, bound: socket.socket) -> None:
    assert ask(Daemon(), bound, path, secret="", callers=without_metrics_token()).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/lookup?name=a.example", "/api/traffic", "/api/v1/openapi.json", "/none"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
def test_everything_else_is_401_with_the_way_to_a_token(path: str, method: str, bound: socket.socket) -> None:
    answer = ask(Daemon(), bound, path, method=method, secret="")
    assert answer.status == 401
    if method != "HEAD":
        assert "`blockd token add NAME --role " in answer.json["detail"]  # type: ignore[operator]


def test_metrics_ask_for_a_token_once_one_is_made_for_them(bound: socket.socket) -> None:
    assert ask(Daemon(), bound, "/metrics", secret="").status == 401


@pytest.mark.parametrize(
    ("path", "least"),
    [
        ("/metrics", AccessRole.METRICS),
        ("/api/v1/lookup?name=a.example", AccessRole.READ),
        ("/api/v1/traffic", AccessRole.READ),
    ],
)
@pytest.mark.parametrize("role", TEXTS)
def test_a_role_may_do_what_those_before_it_may(
    path: str, least: AccessRole, role: AccessRole, bound: socket.socket
) -> None:
    answer = ask(Daemon(), bound, path, secret=TEXTS[role])
    assert answer.status == (200 if role >= least else 403)
    if answer.status == 403:
        assert f"needs the role {least.text}, and token {role.text} has the role {role.text}" in answer.body


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_who_asks_through_a_proxy_is_not_on_this_machine(header: str, bound: socket.socket) -> None:
    head = f"GET /api/status HTTP/1.1\r\nHost: localhost\r\n{header}: for=203.0.113.7\r\nConnection: close\r\n\r\n"
    assert b" 401 " in raw(bound, head.encode())


def test_where_an_error_was_is_a_reference_as_it_was_asked_for(bound: socket.socket) -> None:
    head = f"GET /api/v1/n%20o%0A%3C HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
    told = raw(bound, f"{head}Connection: close\r\n\r\n".encode())
    assert b'"instance": "/api/v1/n%20o%0A%3C"' in told


def test_two_tokens_are_none(bound: socket.socket) -> None:
    head = f"GET /api/v1/traffic HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
    assert b" 401 " in raw(bound, f"{head}Authorization: Bearer {OPERATOR}\r\nConnection: close\r\n\r\n".encode())


def test_wrong_tokens_are_told_to_wait_and_a_right_one_is_not(bound: socket.socket) -> None:
    callers = known()
    for _ in range(20):
        callers.attempts.wrong(b"\x7f\0\0\1")
    with socket.create_server(("127.0.0.1", 0)) as second:
        late = ask(Daemon(), second, "/api/v1/traffic", secret=WRONG, callers=callers)
    assert (late.status, "Retry-After" in late.headers) == (429, True)
    assert ask(Daemon(), bound, "/api/v1/traffic", callers=callers).status == 200


@pytest.mark.parametrize("host", ["blockd.monitoring.svc:9053", "evil.example"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_scrapers_and_balancers_may_call_it_by_any_name(host: str, path: str, bound: socket.socket) -> None:
    assert ask(Daemon(), bound, path, secret="", callers=without_metrics_token(), Host=host).status == 200


def test_a_name_of_the_config_is_as_good_as_an_address_and_others_are_refused(bound: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as second:
        assert ask(Daemon(), second, "/api/status", Host="admin.example:9053").status == 200
    told = ask(Daemon(), bound, "/api/status", Host="evil.example")
    assert (told.status, "listen.admin_names" in told.body) == (403, True)


class Browser:
    """A browser at one admin port."""

    def __init__(self, callers: Callers) -> None:
        self.callers = callers
        self.daemon = Daemon()
        self.cookie = ""

    def ask(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        if self.cookie:
            headers.setdefault("Cookie", f"{COOKIE}={self.cookie}")
        with socket.create_server(("127.0.0.1", 0)) as bound:
            if headers.pop("own_origin", None):
                headers["Origin"] = f"http://127.0.0.1:{bound.getsockname()[1]}"
            answer = ask(self.daemon, bound, path, method=method, data=body, secret="", callers=self.callers, **headers)
        for set_cookie in answer.headers.getall("Set-Cookie", []):
            self.cookie = SimpleCookie(set_cookie)[COOKIE].value
        return answer

    def sign_in(self, role: AccessRole) -> Answer:
        body = json.dumps({"token": TEXTS[role]}).encode()
        return self.ask("/login", method="POST", body=body, Content_Type="application/json", own_origin="yes")


CHANGE = b'{"all": true}'


def test_a_browser_signs_in_changes_something_and_signs_out() -> None:
    browser = Browser(known())
    told = browser.sign_in(AccessRole.OPERATOR)
    assert told.json == {"name": "token operator", "role": "operator", "how": "token", "may_write": True}
    cookie = told.headers["Set-Cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=Strict", f"Max-Age={LIFETIME:.0f}"} <= set(cookie.split("; "))
    assert OPERATOR not in cookie
    assert browser.ask("/api/v1/whoami").json["how"] == "session"
    done = browser.ask(
        "/api/v1/cache/flush", method="POST", body=CHANGE, Content_Type="application/json", own_origin="yes"
    )
    assert (done.status, browser.daemon.by) == (200, ["token operator"])
    browser.ask("/logout", method="POST", body=b"{}", Content_Type="application/json", own_origin="yes")
    assert browser.ask("/api/v1/whoami").status == 401


def test_a_form_leads_to_the_console(bound: socket.socket) -> None:
    body = f"token={TEXTS[AccessRole.READ]}".encode()
    head = (
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    told = raw(bound, head + body)
    assert told.startswith(b"HTTP/1.1 303 ")
    assert b"\r\nLocation: /\r\n" in told
    assert b"Set-Cookie: blockd_session=" in told


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"token": "blockd_wrong"}', "application/json", 401),
        (b'{"token": ""}', "application/json", 401),
        (b"token=blockd_wrong", "application/x-www-form-urlencoded", 401),
        (b"", "application/x-www-form-urlencoded", 401),
        (b"\xff=\xff&token=%ff", "application/x-www-form-urlencoded", 401),
        (b'{"token": 7}', "application/json", 400),
        (b"[" * 1000, "application/json", 400),
        (b"x" * (MAX_LOGIN + 1), "application/json", 413),
        (b'{"token": "blockd_operator"}', "text/plain", 415),
        (b"token=" + b"a" * 300, "application/x-www-form-urlencoded", 401),
        (b"&".join([b"token=blockd_operator"] * 9), "application/x-www-form-urlencoded", 400),
        (b'{"token": "\\ud800"}', "application/json", 400),
    ],
)
def test_who_sends_no_token_is_not_signed_in(body: bytes, kind: str, status: int) -> None:
    browser = Browser(known())
    told = browser.ask("/login", method="POST", body=body, Content_Type=kind, own_origin="yes")
    assert (told.status, browser.cookie) == (status, "")
    assert told.json["detail"]


def form(body: bytes, *more: str) -> bytes:
    head = ["POST /login HTTP/1.1", "Host: localhost", "Content-Type: application/x-www-form-urlencoded", *more]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "Connection: close", "", ""]).encode() + body


def test_a_form_with_a_wrong_token_shows_the_page_to_sign_in_and_why(bound: socket.socket) -> None:
    told = raw(bound, form(b"token=blockd_<script>", "Accept: text/html"))
    assert told.startswith(b"HTTP/1.1 401 ")
    assert b"Content-Type: text/html" in told
    assert b"Set-Cookie" not in told
    assert b'role="alert">The token is not known here' in told
    assert b'<form method="post" action="/login">' in told
    assert b"blockd_<" not in told


def test_a_form_from_another_site_signs_nobody_in(bound: socket.socket) -> None:
    told = raw(bound, form(b"token=blockd_operator", "Accept: text/html", "Origin: https://evil.example"))
    assert told.startswith(b"HTTP/1.1 403 ")
    assert b"Set-Cookie" not in told


def test_a_form_that_comes_in_pieces_is_read_whole(bound: socket.socket) -> None:
    body = f"token={OPERATOR}".encode()
    told = raw(bound, form(body, "Expect: 100-continue")[: -len(body)], pieces=[body[:9], body[9:]])
    assert told.startswith(b"HTTP/1.1 303 ")


def test_signing_in_again_ends_the_session_of_before() -> None:
    browser = Browser(known())
    browser.sign_in(AccessRole.READ)
    earlier = browser.cookie
    browser.sign_in(AccessRole.OPERATOR)
    assert browser.ask("/api/v1/whoami").json["role"] == "operator"
    browser.cookie = earlier
    assert browser.ask("/api/v1/whoami").status == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_signing_in_and_out_is_done_by_post(path: str, method: str, bound: socket.socket) -> None:
    assert ask(Daemon(), bound, path, method=method).status == 405


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_a_page_of_another_site_changes_nothing_with_a_cookie(origin: str | None) -> None:
    browser = Browser(known())
    browser.sign_in(AccessRole.OPERATOR)
    headers = {} if origin is None else {"Origin": origin}
    told = browser.ask("/api/v1/cache/flush", method="POST", body=CHANGE, Content_Type="application/json", **headers)
    assert (told.status, browser.daemon.flushed) == (403, [])


def test_a_session_ends_with_its_token() -> None:
    callers = known()
    browser = Browser(callers)
    browser.sign_in(AccessRole.READ)
    assert browser.ask("/api/v1/whoami").status == 200
    assert isinstance(callers.tokens, Tokens)
    callers.tokens.kept = ()
    assert browser.ask("/api/v1/whoami").status == 401


def test_a_session_of_support_changes_nothing() -> None:
    browser = Browser(known())
    browser.sign_in(AccessRole.READ)
    told = browser.ask(
        "/api/v1/cache/flush", method="POST", body=CHANGE, Content_Type="application/json", own_origin="yes"
    )
    assert (told.status, browser.daemon.flushed) == (403, [])


def raw(bound: socket.socket, sent: bytes, callers: Callers | None = None, pieces: Iterable[bytes] = ()) -> bytes:
    """Return what is answered to octets, and to pieces that come one after the other once a body is asked for."""

    async def asked() -> bytes:
        serving = await serve_admin(admin_app(Daemon(), callers or known()), [bound])
        try:
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            writer.write(sent)
            if pieces:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            for piece in pieces:
                writer.write(piece)
                for _ in range(ROUNDS):
                    await asyncio.sleep(0)
            found = await reader.read()
            writer.close()
            return found
        finally:
            await serving.close()

    return asyncio.run(asked())
