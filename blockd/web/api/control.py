"""What the daemon offers to the admin port: the questions and commands behind the routes."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from blockd.ruleset.lookup_query import LookupQuery
from blockd.web.api.events import Events
from blockd.web.figures.source import FigureSource


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether the condition holds, and the reason in one sentence."""

    is_ok: bool
    reason: str


class JsonResult(typing.Protocol):
    """A result that can be sent as a JSON object."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""


class OrdersResult(JsonResult, typing.Protocol):
    """Orders that fit what was asked for."""

    @property
    def status(self) -> int:
        """The HTTP status: 200 for one order, 300 for several, 404 for none."""


class ReloadResult(JsonResult, typing.Protocol):
    """How a reload stands."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens."""


class Control(typing.Protocol):
    """The daemon's functions behind the admin port."""

    def health(self) -> Condition:
        """Return whether the daemon is healthy."""

    def readiness(self) -> Condition:
        """Return whether a ruleset is enforced, so that this resolver may serve clients."""

    async def metrics(self) -> bytes:
        """Return all metrics, in the format whose content type is `prometheus_client.CONTENT_TYPE_LATEST`."""

    def status(self) -> JsonResult:
        """Return feeds, versions, ages, workers and engine."""

    async def cached(self, name: str, /) -> JsonResult:
        """Return what every worker has cached of a name, and policy's verdict on it; raises CommandError."""

    async def flush(self, kind: str, name: str, by: str, /) -> JsonResult:
        """Remove what is cached of a name, of that and all below it, or all, from every worker; raises CommandError.

        `by` is here and below who asks, as the audit log has it (`Caller.name`).
        """

    def orders(self, asked: str, /) -> OrdersResult:
        """Return the orders that an id or another name of an order fits, and how each stands; raises BlockdError."""

    async def reload(self, by: str, reason: str, config: str, /, *, dry_run: bool) -> ReloadResult:
        """Have the config on disk taken, or only checked; raises BlockdError if it cannot be checked."""

    def reloads(self) -> JsonResult:
        """Return how the newest reloads stand, and the last one that was to be taken."""

    async def upgrade(self, by: str, reason: str, program: str, /, *, dry_run: bool) -> ReloadResult:
        """Have a program take the place of the running one, or only tried; raises BlockdError if it cannot be tried."""

    def upgrades(self) -> JsonResult:
        """Return how the newest upgrade stands."""

    async def refresh(self, names: list[str] | None, by: str, /) -> JsonResult:
        """Fetch the named feeds, or all; raises BlockdError if one is not configured."""

    def hint(self, name: str | None, /) -> JsonResult:
        """Poll a feed soon, or all signed ones; raises BlockdError if it is not configured."""

    def traffic(self) -> JsonResult:
        """Return the sketch of recent traffic, which holds no client (`blockd.metrics.Sketch`)."""

    async def rollback(self, version: int, reason: str, by: str, /) -> JsonResult:
        """Enforce and pin a kept version; raises BlockdError if that is not possible, and nothing has changed."""

    async def release(self, reason: str, by: str, /) -> JsonResult:
        """Release the pinned version and enforce the newest; raises BlockdError if none is pinned."""

    async def override(self, kind: str, asked: typing.Mapping[str, str], by: str, /) -> JsonResult:
        """Add or end a local override; `kind` is `add` or `end`, `asked` its texts; raises BlockdError."""

    async def accept(self, asked: typing.Mapping[str, str], by: str, /) -> JsonResult:
        """Take a feed's refused content, known by its digest, once; `asked` has the texts; raises BlockdError."""

    async def acceptable(self, feed: str, /) -> JsonResult:
        """Return what accepting a feed's refused content would change; raises CommandError if there is none."""

    async def held(self, kind: str, asked: typing.Mapping[str, str], by: str, /) -> JsonResult:
        """Let an entry through, or hold it back again: `kind` is `release` or `hold`; raises BlockdError."""

    async def statement(self, by: str, /) -> JsonResult:
        """Sign a statement of what is enforced now; raises BlockdError if there is no key to sign it."""

    @property
    def figures(self) -> FigureSource:
        """What the console shows."""

    @property
    def events(self) -> Events:
        """What happens, for those who listen."""

    def feeds(self) -> JsonResult:
        """Return the feeds of the config, as the status has them."""

    async def versions(self) -> JsonResult:
        """Return the versions kept, in brief."""

    async def version(self, version: int, /) -> JsonResult:
        """Return all that is known of one of them; raises CommandError if it is not kept."""

    async def diff(self, old: int, new: int, /) -> JsonResult:
        """Return what changes from one kept version to another; raises CommandError."""

    def overrides(self) -> JsonResult:
        """Return the overrides, with those that have ended lately."""

    async def waiting(self, feed: str, /) -> JsonResult:
        """Return what is held back, let through, or refused and may be accepted; of all feeds if `feed` is empty."""

    def order_page(self, start: int, limit: int, feed: str, authority: str, state: str, /) -> JsonResult:
        """Return orders of what is enforced; raises CommandError if that is nothing yet."""

    async def lookup(self, query: LookupQuery, /) -> JsonResult:
        """Return what happens to a name, an address or a network, and why; raises BadName and CommandError."""
