"""A route of the admin port: everything that is known of it, in one value."""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from aiohttp import web

from blockd.web.api.control import Control, JsonResult
from blockd.web.callers.caller import AccessRole, Caller

VERSION = "/api/v1"
JSON = "application/json"

_Asked = typing.TypeVar("_Asked")
_AskedOf = typing.TypeVar("_AskedOf", covariant=True)


@dataclass(frozen=True, slots=True)
class StillAllowed:
    """Asks whether who made a request may still make it: a token may end while the answer goes on."""

    may_still: Callable[[], Awaitable[bool]]


STILL_ALLOWED = web.RequestKey("still_allowed", StillAllowed)


class Cost(Enum):
    """What an answer costs, see `blockd.web.bounds.costly`."""

    LITTLE = "little"
    COMPUTES = "computes"  # in the event loop: such requests take turns
    ASKS_WORKERS = "asks workers"  # few at once


class Opened(Enum):
    """Who else may ask, without the role that a route needs."""

    TO_NOBODY = ""
    TO_LOOPBACK = "From this machine anybody may ask."
    WITHOUT_TOKENS = "While no token has that role, anybody may ask."


@dataclass(frozen=True, slots=True)
class Request(typing.Generic[_AskedOf]):
    """A request that was read: what it asks for, by whom, and the parts of its path."""

    asked: _AskedOf
    caller: Caller
    path: Mapping[str, str]
    http: web.Request


@dataclass(frozen=True, slots=True)
class Reply:
    """A result with another status than its route's."""

    result: JsonResult
    status: int


Answered = JsonResult | Reply | web.StreamResponse
Does = Callable[[Control, Request[_Asked]], Awaitable[Answered] | Answered]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoute(typing.Generic[_Asked]):
    """A method and a path, by which `role` asks the daemon for something.

    `path` has names in braces for its parts; `aliases` are earlier paths to the same, whose errors are 400 where those
    of the path are 422. `asks` is the dataclass that the query of a GET, or else the body, is read into, None if the
    query is not looked at. `answers` is the typed dictionary of the result, None for what is not JSON; then `media`
    says what it is. `also` is another media type that is answered to who asks for it. `statuses` has the statuses of a
    result beside `status`, with their meaning. `rests_on` is the path of the question whose entity tag `If-Match` may
    name, so that nothing is done if the answer is another by now.
    """

    method: typing.Literal["GET", "POST"]
    path: str
    summary: str
    asks: type[_Asked] | None
    does: Does[_Asked]
    answers: typing.Any = None
    role: AccessRole = AccessRole.READ
    opened: Opened = Opened.TO_NOBODY
    aliases: tuple[str, ...] = ()
    cost: Cost = Cost.LITTLE
    media: str = JSON
    also: str = ""
    status: int = 200
    statuses: Mapping[int, str] = field(default_factory=dict)
    rests_on: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths that lead to it."""
        return (self.path, *self.aliases)

    @property
    def name(self) -> str:
        """A name for programs, such as `get_cache_flush`."""
        parts = self.path.removeprefix(VERSION).replace("{", "by_").replace("}", "").split("/")
        return "_".join([self.method.lower(), *(part.replace(".", "_") for part in parts if part)])
