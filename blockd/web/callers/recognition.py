"""Who calls: the admin socket's user, a token, a certificate, a signed-in browser, or nobody.

What is sent and is wrong counts for nothing.

`blockd.web.callers.permission` says whether a caller may do what it asks for.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import weakref
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import hdrs, web

from blockd.resolver.clients import LOOPBACK, NetworkSet
from blockd.web.admin_serving import client_of
from blockd.web.callers.admin_tls import certificate_caller
from blockd.web.callers.attempts import WrongAttempts
from blockd.web.callers.caller import NOBODY, AccessRole, Caller
from blockd.web.callers.local import LocalUsers, peer_of
from blockd.web.callers.permission import AccessRefusal, wrong_token
from blockd.web.callers.sessions import COOKIE, Sessions
from blockd.web.callers.token_file import TokenFile
from blockd.web.callers.tokens import MAX_TEXT, digest_of
from blockd.web.serving import client_of as address_of

_READING = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)
_SCHEME = "bearer"  # RFC 6750 section 2.1
_FORWARDED = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, "X-Real-IP", hdrs.VIA)  # by which a proxy tells that it is one
_LOCAL = NetworkSet(LOOPBACK)


class Callers:
    """Tells who makes a request. Without `local` nobody is known by the socket that he connects to."""

    def __init__(
        self,
        tokens: TokenFile,
        sessions: Sessions,
        attempts: WrongAttempts,
        local: LocalUsers | None = None,
        certificates: Mapping[str, AccessRole] | None = None,
    ) -> None:
        """`certificates` has the roles of those who show a certificate, by its names."""
        self.tokens = tokens
        self.sessions = sessions
        self.attempts = attempts
        self._local = local
        self._certificates = certificates or {}
        self._connected: weakref.WeakKeyDictionary[asyncio.Transport, Caller] = weakref.WeakKeyDictionary()

    async def of(self, request: web.Request) -> tuple[Caller, AccessRefusal | None]:
        """Return who makes a request, and what is wrong with what it sent to be known, None if nothing is."""
        if (caller := await self._of_socket(request)) is not None:
            return caller, None
        sent = request.headers.getall(hdrs.AUTHORIZATION, [])
        if not sent:
            shown = None if request.transport is None else request.transport.get_extra_info("peercert")
            known = certificate_caller(shown, self._certificates)
            return self._of_session(request) if known is None else (known, None)
        token = self.tokens.find(digest_of(text)) if len(sent) == 1 and (text := _bearer(sent[0])) else None
        if token is None:
            return NOBODY, wrong_token(self.attempts.wrong(client_of(request)))
        return token.caller, None

    def _of_session(self, request: web.Request) -> tuple[Caller, AccessRefusal | None]:
        """Return who is signed in; a change by a browser needs an Origin, which the guard has compared."""
        cookie = request.cookies.get(COOKIE, "")
        token = self.sessions.find(cookie) if 0 < len(cookie) <= MAX_TEXT else None
        if token is None:
            return NOBODY, None
        if request.method not in _READING and hdrs.ORIGIN not in request.headers:
            return NOBODY, AccessRefusal(403, "A change by a signed-in browser must have its Origin. Nothing was done.")
        return replace(token.caller, how="session"), None

    def knows(self, role: AccessRole) -> bool:
        """Return whether anybody has just this role."""
        return role in self._certificates.values() or any(token.role is role for token in self.tokens.tokens)

    @property
    def has_console(self) -> bool:
        """Whether there is a token with which somebody may sign in to the console."""
        return any(token.role >= AccessRole.READ for token in self.tokens.tokens)

    async def _of_socket(self, request: web.Request) -> Caller | None:
        """Return the user who has connected to the Unix socket; None if the connection is no such one."""
        transport = request.transport
        if self._local is None or transport is None:
            return None
        caller = self._connected.get(transport)
        if caller is None:
            sock = transport.get_extra_info("socket")
            if sock is None or sock.family != socket.AF_UNIX:
                return None
            try:
                caller = await self._local.caller(peer_of(sock))
            except OSError:  # it has ended meanwhile
                return NOBODY
            self._connected[transport] = caller
        return caller


def is_from_loopback(request: web.Request) -> bool:
    """Return whether a request comes from this machine over TCP, and not through a proxy there that asks for others."""
    address = b"" if request.transport is None else address_of(request.transport)
    return len(address) in (4, 16) and address in _LOCAL and not any(name in request.headers for name in _FORWARDED)


def key_of(request: web.Request, caller: Caller) -> bytes:
    """Return octets by which a request shares with others, see `SharedPlaces.place`: by who it is, else by its client.

    Those of a name are five, of which the first is that of no client.
    """
    if not caller.name:
        return client_of(request)
    return b"n" + hashlib.blake2b(caller.name.encode(), digest_size=4).digest()


def _bearer(header: str) -> str:
    """Return the token in an Authorization header, empty if there is none."""
    scheme, _, token = header.partition(" ")
    token = token.strip()
    return token if scheme.lower() == _SCHEME and len(token) <= MAX_TEXT else ""
