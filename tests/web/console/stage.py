"""A server of the console and of the story's answers, so that pages are seen as they would be in a night's service.

`python -m tests.web.console.stage PORT [ok|attention|alarm] [read|operator]` serves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from blockd.times import time_from_text
from blockd.web.console.assets import FOLDER, assets
from blockd.web.console.pages import CONSOLE_POLICY, console_page
from blockd.web.console.sign_in import SIGN_IN_POLICY, sign_in_page
from tests.web.console import standing, story

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stage:
    """The answers, and what was sent to be done; a test may change the first and look at the second."""

    def __init__(self, level: str = "attention", role: str = "operator") -> None:
        self.level = level
        self.role = role
        self.sent: list[tuple[str, Any]] = []
        self.refuse = ""  # a sentence with which writes are refused
        self.listeners: set[web.StreamResponse] = set()
        self.reload: dict[str, Any] | None = None  # the newest, as the API tells of it
        self.upgrade: dict[str, Any] | None = None
        self.outcome = {"outcome": "enforced"}  # of what is sent
        self.version = 4712  # in force afterwards
        self.failing = ""  # the `trace` with which lookups fail
        self.hold = ""  # the client whose lookups wait
        self.answered: set[str] = set()  # clients whose lookups are
        self.summary = ""  # of the order that a lookup finds
        self.slow = ""  # what is part of the addresses that wait
        self.tick = 2.0  # seconds between two events

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._wait])
        app.router.add_get("/", self._page)
        app.router.add_get(FOLDER + "{path:.+}", _asset)
        app.router.add_get("/sign-in", self._sign_in)
        app.router.add_post("/logout", self._write)
        app.router.add_get("/api/v1/events", self._events)
        app.router.add_get("/api/v1/lookup", self._lookup)
        app.router.add_get("/api/v1/held-back", self._answered)
        for path, answer in self._answers().items():
            app.router.add_get(f"/api/v1/{path}", _json(answer))
        for path in ("override", "rollback", "accept", "held", "refresh", "reload", "upgrade"):
            app.router.add_post(f"/api/v1/{path}", self._write)
        return app

    @web.middleware
    async def _wait(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        slow = self.slow
        if not slow or slow not in request.path_qs:
            return await handler(request)
        while self.slow == slow:  # noqa: ASYNC110 - the thread of a test changes it
            await asyncio.sleep(0.02)
        return await handler(request)

    def _answers(self) -> dict[str, Callable[[web.Request], Any]]:
        return {
            "whoami": lambda _: {
                "name": "sari",
                "role": self.role,
                "how": "session",
                "may_write": self.role == "operator",
            },
            "overview": lambda _: story.overview(self.level),
            "blocks/recent": lambda _: story.blocks(),
            "feeds": lambda _: story.feeds(),
            "held": lambda _: story.held(),
            "series": lambda request: story.series(
                request.query["names"].split(","),
                time_from_text(request.query["from"]),
                time_from_text(request.query["to"]),
                int(request.query["points"]),
            ),
            "timeline": lambda _: story.timeline(),
            "versions": lambda _: story.versions(),
            "diff": lambda request: story.difference(int(request.query["old"]), int(request.query["new"])),
            "accept": lambda request: story.acceptable(request.query["feed"]),
            "duty": lambda _: standing.duty(),
            "hits": lambda request: standing.hits(request.query["by"], request.query["span"]),
            "resolver": lambda _: standing.resolver(),
            "ending": lambda request: standing.ending(float(request.query["within"])),
            "overrides": lambda _: standing.overrides(),
            "reload": lambda _: {"current": self.reload, "last": standing.reload("refused")},
            "upgrade": lambda _: {"current": self.upgrade},
            "orders/{order:.+}": lambda request: {
                "asked": request.match_info["order"],
                "orders": [
                    {"feed": "kominfo", "state": "in force", "names": 11, "order": next(iter(story.ORDERS.values()))}
                ],
            },
        }

    async def _page(self, _request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": CONSOLE_POLICY}
        return web.Response(body=console_page(), content_type="text/html", charset="utf-8", headers=headers)

    async def _sign_in(self, _request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": SIGN_IN_POLICY}
        page = sign_in_page("The token is not known here, or has expired: `blockd token list` shows those that are.")
        return web.Response(body=page, content_type="text/html", charset="utf-8", headers=headers)

    async def _write(self, request: web.Request) -> web.Response:
        if self.refuse:
            told = {"title": "Unprocessable", "status": 422, "detail": self.refuse}
            return web.json_response(told, status=422, content_type="application/problem+json")
        sent = await request.json()
        self.sent.append((request.path, sent))
        if request.path == "/api/v1/reload":
            self.reload = standing.reload("taken", dry_run=sent.get("dry_run", False), reason=sent.get("reason", ""))
            return web.json_response(self.reload)
        if request.path == "/api/v1/upgrade":
            dry_run = sent.get("dry_run", False)
            self.upgrade = standing.upgrade("tried" if dry_run else "taken", dry_run=dry_run)
            return web.json_response(self.upgrade)
        return web.json_response(self._done(request.path, sent))

    def _done(self, path: str, sent: dict[str, Any]) -> dict[str, Any]:
        """Return what the API answers to what was sent."""
        if path.endswith("/rollback"):
            return {"version": self.version, "pinned": sent.get("version")}
        if path.endswith("/refresh"):
            return {"version": self.version, "feeds": dict.fromkeys(sent["feeds"], self.outcome)}
        [asked] = [sent[part] for part in ("add", "end", "release", "hold") if part in sent] or [sent]
        return {**asked, **self.outcome, "version": self.version}

    async def _lookup(self, request: web.Request) -> web.Response:
        if request.query["trace"] == self.failing:
            return web.json_response({"status": 503, "detail": "No worker answered in time."}, status=503)
        client = request.query.get("client", "")
        while client and client == self.hold:  # noqa: ASYNC110 - the thread of a test changes it
            await asyncio.sleep(0.02)
        told = story.lookup(request.query["name"])
        if self.summary:
            told = {**told, "order": {**told["order"], "summary": self.summary}}
        self.answered.add(client)
        return web.json_response({**told, "notes": [f"For the client {client}."] if client else []})

    async def _answered(self, _request: web.Request) -> web.Response:
        return web.json_response(len(self.answered) == 3)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        self.listeners.add(response)
        try:
            while True:
                now = time.time()
                await self.tell("series", {"time": int(now), "seconds": self.tick, "series": story.rates(now)})
                await asyncio.sleep(self.tick)
        finally:
            self.listeners.discard(response)

    async def tell(self, kind: str, data: object) -> None:
        """Send an event to everybody who listens."""
        for listener in tuple(self.listeners):
            with contextlib.suppress(ConnectionError):  # who has left
                await listener.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())


async def _asset(request: web.Request) -> web.Response:
    return assets().answer(request, request.match_info["path"])


def _json(answer: Callable[[web.Request], Any]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(answer(request))

    return handle


if __name__ == "__main__":
    port, *rest = sys.argv[1:]
    web.run_app(Stage(*rest).app(), host="127.0.0.1", port=int(port), print=None)
