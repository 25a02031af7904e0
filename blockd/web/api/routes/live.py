"""What happens, as it happens: server-sent events, by the rules of the HTML standard (section 9.2)."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import hdrs, web

from blockd.web.api.asked import Nothing
from blockd.web.api.control import Control
from blockd.web.api.events import Events, Listener, TooManyListeners
from blockd.web.api.replies import problem
from blockd.web.api.route import STILL_ALLOWED, VERSION, ApiRoute, Request, StillAllowed
from blockd.web.callers.caller import AccessRole

MEDIA = "text/event-stream"
HEARTBEAT = 15.0  # seconds without an event until a comment is sent, so that proxies and pages know that all is well
PATIENCE = 10.0  # seconds that a listener may take to read what was sent
LONGEST = 540.0  # seconds of one stream: less than a connection to the admin port lasts (MAX_ADMIN_LIFETIME)
LOOK = 5.0  # seconds between two looks whether the listener may still listen
AGAIN = 2000  # milliseconds until a page comes back
_TOO_MANY = "Too many pages listen to events already. Close one, or ask again later."
_HEADERS = {
    hdrs.CONTENT_TYPE: MEDIA,
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


async def _events(control: Control, request: Request[Nothing]) -> web.StreamResponse:
    http, events = request.http, control.events
    if http.method == hdrs.METH_HEAD:
        return web.Response(headers=_HEADERS)
    try:
        listener = events.listen(request.caller.name.encode(), http.headers.get("Last-Event-ID", ""))
    except TooManyListeners:
        return problem(503, _TOO_MANY, {"Retry-After": "30"}, http.path)
    response = web.StreamResponse(headers=_HEADERS)
    try:
        await response.prepare(http)
        await _send(response, f"retry: {AGAIN}\n\n".encode())
        await _stream(response, events, listener, http[STILL_ALLOWED])
    except (ConnectionError, TimeoutError):
        response.force_close()  # it reads nothing, or has gone
    finally:
        events.leave(listener)
    return response


async def _stream(response: web.StreamResponse, events: Events, listener: Listener, standing: StillAllowed) -> None:
    """Send events until the listener is lost, may not listen any more, or has listened for long; it comes back then."""
    loop = asyncio.get_running_loop()
    now = looked = beat = loop.time()
    end = now + LONGEST
    while not listener.is_lost and now < end:
        await listener.wait(min(LOOK, beat + HEARTBEAT - now, end - now))
        now = loop.time()
        if now >= looked + LOOK:
            if not await standing.may_still():
                return
            looked = now
        taken = listener.take()
        if not taken and now < beat + HEARTBEAT:
            continue
        beat = now
        parts = [f"id: {events.id_of(event)}\nevent: {event.kind}\ndata: {event.data}\n\n" for event in taken]
        await _send(response, "".join(parts or [":\n\n"]).encode())


async def _send(response: web.StreamResponse, octets: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        await response.write(octets)


LIVE: tuple[ApiRoute[Any], ...] = (
    ApiRoute(
        method="GET", path=f"{VERSION}/events", role=AccessRole.READ,
        summary="What happens, as server-sent events: overview, blocks, feeds, versions, series.",
        asks=Nothing, does=_events, media=MEDIA,
    ),
)  # fmt: skip
