"""What has the daemon do something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from blockd.orders.operator_line import needed_reason, operator_line
from blockd.web.api import bodies, shapes
from blockd.web.api.asked import Nothing, given_texts
from blockd.web.api.control import Control, JsonResult
from blockd.web.api.route import VERSION, ApiRoute, Does, Reply, Request
from blockd.web.callers.caller import AccessRole

_Asked = TypeVar("_Asked")


def command(
    path: str,
    summary: str,
    asks: type[_Asked],
    does: Does[_Asked],
    answers: Any,
    *,
    alias: str = "",
    role: AccessRole = AccessRole.OPERATOR,
    status: int = 200,
    rests_on: str = "",
    statuses: Mapping[int, str] | None = None,
) -> ApiRoute[_Asked]:
    """Return the route of a command at a path below the version; `rests_on` is such a path, too."""
    return ApiRoute(
        method="POST", path=VERSION + path, summary=summary, asks=asks, does=does, answers=answers, role=role,
        aliases=(alias,) if alias else (), status=status, rests_on=VERSION + rests_on if rests_on else "",
        statuses=statuses or {},
    )  # fmt: skip


async def _rollback(control: Control, request: Request[bodies.VersionToEnforce]) -> JsonResult:
    by, asked = request.caller.name, request.asked
    if asked.version is None:
        return await control.release(needed_reason(asked.reason, "The end of a rollback"), by)
    return await control.rollback(asked.version, needed_reason(asked.reason, "A rollback"), by)


async def _override(control: Control, request: Request[bodies.OverrideChange]) -> JsonResult:
    kind, asked = request.asked.chosen()
    return await control.override(kind, given_texts(asked), request.caller.name)


async def _held(control: Control, request: Request[bodies.HeldChange]) -> JsonResult:
    kind, asked = request.asked.chosen()
    return await control.held(kind, given_texts(asked), request.caller.name)


async def _flush(control: Control, request: Request[bodies.CacheToFlush]) -> JsonResult:
    kind, name = request.asked.chosen()
    return await control.flush(kind, name, request.caller.name)


async def _reload(control: Control, request: Request[bodies.ConfigReload]) -> Reply:
    by, asked = request.caller.name, request.asked
    found = await control.reload(by, operator_line(asked.reason, "reason"), asked.config, dry_run=asked.dry_run)
    return Reply(found, 200 if found.has_ended else 202)


async def _upgrade(control: Control, request: Request[bodies.ProgramToRun]) -> Reply:
    by, asked = request.caller.name, request.asked
    found = await control.upgrade(by, operator_line(asked.reason, "reason"), asked.program, dry_run=asked.dry_run)
    return Reply(found, 200 if found.has_ended else 202)


COMMANDS: tuple[ApiRoute[Any], ...] = (
    command(
        "/reload", "Have the config on disk taken by all processes, or say what would change.",
        bodies.ConfigReload, _reload, shapes.ReloadAnswer,
        statuses={202: "It is being taken, or waits for the one before it: GET this path tells of it by its id."},
    ),
    command(
        "/upgrade", "Have another version of blockd take the place of the running one, or try it only.",
        bodies.ProgramToRun, _upgrade, shapes.UpgradeAnswer,
        statuses={202: "It was tried, and is being executed: GET this path tells how that stands."},
    ),
    command(
        "/refresh", "Fetch the named feeds, or all.",
        bodies.FeedsToFetch, lambda control, request: control.refresh(request.asked.feeds, request.caller.name),
        shapes.RefreshAnswer,
        alias="/api/refresh",
    ),
    command(
        "/hint", "Poll a feed soon, or all signed ones. What a hint says is not trusted.",
        bodies.FeedToPoll, lambda control, request: control.hint(request.asked.feed), shapes.HintAnswer,
        alias="/api/hint", role=AccessRole.METRICS, status=202,
    ),
    command(
        "/rollback", "Enforce and pin a kept version, or release the one pinned.",
        bodies.VersionToEnforce, _rollback, shapes.RollbackAnswer, alias="/api/rollback",
        rests_on="/versions",
    ),
    command(
        "/override", "Add or end a local override.",
        bodies.OverrideChange, _override, shapes.OverrideAnswer, alias="/api/override",
        rests_on="/overrides",
    ),
    command(
        "/accept", "Take a feed's refused content, known by its digest, once.",
        bodies.Acceptance, lambda control, request: control.accept(given_texts(request.asked), request.caller.name),
        shapes.AcceptAnswer, alias="/api/accept", rests_on="/held",
    ),
    command(
        "/held", "Let an entry through that the gate holds back, or hold it back again.",
        bodies.HeldChange, _held, shapes.HeldAnswer, alias="/api/held", rests_on="/held",
    ),
    command(
        "/cache/flush", "Remove what is cached of a name, of that and all below it, or all, from every worker.",
        bodies.CacheToFlush, _flush,
        shapes.FlushAnswer,
        alias="/api/cache/flush",
    ),
    command(
        "/statement", "Sign a statement of what is enforced now.",
        Nothing, lambda control, request: control.statement(request.caller.name), shapes.StatementAnswer,
        alias="/api/statement",
    ),
)  # fmt: skip
