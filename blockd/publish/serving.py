"""A plain HTTP server for trials, which serves only a published folder. Use a real web server in production."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from blockd.errors import PublishError

# The files of a repository. Nothing else is served, so that a workshop's keys are safe even after a mistake.
_FILE = re.compile(
    r"(?:root\.json|metadata/[a-z0-9][a-z0-9.-]*\.json|targets/(?:orders|lists)/(?:[a-z0-9-]+/)?[a-z0-9][a-z0-9._-]*)"
)
_PATHS = 300  # characters of a path at most


def application(folder: Path) -> web.Application:
    """Return the web application that serves `folder`; raises PublishError if that is not a published folder."""
    if (folder / "keys").exists() or (folder / "pending").exists():
        raise PublishError(f"{folder} is a workshop with keys; publish it to another folder and serve that.")
    if not (folder / "metadata" / "timestamp.json").is_file():
        raise PublishError(
            f"{folder} does not hold a published list; publish one there: blockd authority publish DIR {folder}"
        )

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = folder / name
        if len(name) > _PATHS or not _FILE.fullmatch(name) or path.is_symlink() or not path.is_file():
            raise web.HTTPNotFound
        # The timestamp is replaced; all other files never change.
        lasting = "no-cache" if name == "metadata/timestamp.json" else "public, max-age=31536000, immutable"
        return web.FileResponse(path, headers={"Cache-Control": lasting})

    served = web.Application()
    served.router.add_get("/{name:.*}", answer)
    return served


async def serve(folder: Path, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve `folder` until the task is cancelled; `ready` is called with the URL. Raises PublishError or OSError."""
    runner = web.AppRunner(application(folder), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        address = runner.addresses[0]
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        ready(f"http://{shown}:{address[1]}/")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    finally:
        await runner.cleanup()
