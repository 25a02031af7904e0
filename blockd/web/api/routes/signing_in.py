"""Signing in and out at the console: `POST /login` with a token, `POST /logout`.

The form of the page to sign in is answered by leading to the console, JSON by who is signed in. Foreign pages can send
neither: their Origin is refused before.
"""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from blockd.web.admin_serving import client_of
from blockd.web.api.asked import Nothing
from blockd.web.api.bodies import TokenToSignIn
from blockd.web.api.control import Control
from blockd.web.api.replies import json_reply
from blockd.web.api.route import FORM, JSON, ApiRoute, Request
from blockd.web.api.shapes import SignedOutAnswer, WhoAmIAnswer
from blockd.web.callers.caller import AccessRole
from blockd.web.callers.permission import AccessRefusal, wrong_token
from blockd.web.callers.recognition import CALLERS
from blockd.web.callers.sessions import COOKIE, LIFETIME
from blockd.web.callers.tokens import MAX_TEXT, digest_of

LOGIN, LOGOUT = "/login", "/logout"
MAX_LOGIN = 16 << 10  # octets of a body: the longest text, of which a character is twelve octets if it is escaped
_LED = {303: "A form is answered by leading to the console."}


class SignInRefused(Exception):
    """Somebody is not signed in, for the reason of a refusal."""

    def __init__(self, refusal: AccessRefusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


async def _login(_control: Control, request: Request[TokenToSignIn]) -> web.StreamResponse:
    callers, text = request.http.app[CALLERS], request.asked.token.strip()
    token = callers.tokens.find(digest_of(text)) if 0 < len(text) <= MAX_TEXT else None
    if token is None:
        callers.attempts.refused()
        raise SignInRefused(wrong_token(callers.attempts.wrong(client_of(request.http))))
    callers.sessions.end(_cookie_of(request.http))  # the browser forgets it
    cookie = callers.sessions.begin(token)
    await callers.sessions.save()
    response = json_reply(token.caller.to_json())
    if request.http.content_type == FORM:
        response = web.Response(status=303, headers={hdrs.LOCATION: "/"})
    response.set_cookie(
        COOKIE, cookie, max_age=int(LIFETIME), path="/", httponly=True, samesite="Strict", secure=request.http.secure
    )
    return response


async def _logout(_control: Control, request: Request[Nothing]) -> web.StreamResponse:
    sessions = request.http.app[CALLERS].sessions
    if sessions.end(_cookie_of(request.http)):
        await sessions.save()
    response = json_reply({})
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response


def _cookie_of(request: web.Request) -> str:
    return request.cookies.get(COOKIE, "")


SIGNING_IN: tuple[ApiRoute[Any], ...] = (
    ApiRoute(
        method="POST", path=LOGIN, role=AccessRole.NONE,
        summary="Sign a browser in with a token: it is known by the cookie of the answer from then on.",
        asks=TokenToSignIn, does=_login, answers=WhoAmIAnswer, bodies=(JSON, FORM), most=MAX_LOGIN, statuses=_LED,
    ),
    ApiRoute(
        method="POST", path=LOGOUT, role=AccessRole.NONE, summary="End the session of the cookie that is sent.",
        asks=Nothing, does=_logout, answers=SignedOutAnswer, most=MAX_LOGIN,
    ),
)  # fmt: skip
