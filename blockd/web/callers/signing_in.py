"""Signing in and out at the console: `POST /login` with a token, `POST /logout`.

A form of the page to sign in is answered by leading to the console, JSON by who is signed in. Foreign pages can send
neither: their Origin is refused before.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import hdrs, web

from blockd.web.admin_serving import client_of
from blockd.web.callers.permission import AccessRefusal, wrong_token
from blockd.web.callers.recognition import Callers
from blockd.web.callers.sessions import COOKIE, LIFETIME
from blockd.web.callers.tokens import MAX_TEXT, digest_of

LOGIN, LOGOUT = "/login", "/logout"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MAX_LOGIN = 1024  # octets of a body: a token and what is around it


class SignInRefused(Exception):
    """Somebody is not signed in, for the reason of a refusal."""

    def __init__(self, refusal: AccessRefusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


def serve_signing_in(app: web.Application, callers: Callers) -> None:
    """Have an application sign people in and out."""

    async def login(request: web.Request) -> web.StreamResponse:
        text = await _token_in(request)
        token = callers.tokens.find(digest_of(text)) if 0 < len(text) <= MAX_TEXT else None
        if token is None:
            callers.attempts.refused()
            raise SignInRefused(wrong_token(callers.attempts.wrong(client_of(request))))
        cookie = callers.sessions.begin(token)
        await asyncio.to_thread(callers.sessions.save)
        response = _done(request, token.caller.to_json())
        response.set_cookie(
            COOKIE, cookie, max_age=int(LIFETIME), path="/", httponly=True, samesite="Strict", secure=request.secure
        )
        return response

    async def logout(request: web.Request) -> web.StreamResponse:
        callers.sessions.end(request.cookies.get(COOKIE, ""))
        await asyncio.to_thread(callers.sessions.save)
        response = _done(request, {})
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    app.router.add_post(LOGIN, login)
    app.router.add_post(LOGOUT, logout)


async def _token_in(request: web.Request) -> str:
    """Return the token that somebody signs in with, empty if there is none; raises SignInRefused."""
    if request.content_type not in (FORM, JSON):
        raise SignInRefused(AccessRefusal(415, f"Signing in takes {JSON}, as the console sends it, or a form."))
    body = await request.content.read(MAX_LOGIN + 1)
    if len(body) > MAX_LOGIN:
        raise SignInRefused(AccessRefusal(413, f"Signing in takes at most {MAX_LOGIN} octets."))
    if request.content_type == FORM:
        from urllib.parse import parse_qs

        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=8).get("token", [""])[0].strip()
    try:
        text = json.loads(body)["token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        text = None
    if not isinstance(text, str):
        raise SignInRefused(AccessRefusal(400, 'Signing in takes {"token": "blockd_…"}.'))
    return text.strip()


def _done(request: web.Request, told: dict[str, object]) -> web.Response:
    """Return the answer to who has signed in or out: JSON, or for a form the way to the console."""
    if request.content_type == FORM:
        return web.Response(status=303, headers={hdrs.LOCATION: "/"})
    return web.Response(text=json.dumps(told) + "\n", content_type=JSON)
