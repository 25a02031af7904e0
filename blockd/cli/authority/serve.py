"""`blockd authority serve`: a plain HTTP server for trials."""

from __future__ import annotations

import argparse
import asyncio
import signal

from blockd.cli.output import finish, show
from blockd.errors import CommandError
from blockd.publish.serving import serve


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; return the exit code."""
    host, colon, port = args.listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 0xFFFF:
        raise CommandError(f"--listen: expected HOST:PORT, got {args.listen!r}")

    def ready(url: str) -> None:
        show(
            args.json,
            {"folder": str(args.folder), "url": url},
            [f"{args.folder} is served at {url}, for trials only: no TLS, no limits. Stop it with Ctrl-C."],
        )
        finish()

    async def until_signal() -> None:
        task = asyncio.ensure_future(serve(args.folder, host.strip("[]"), int(port), ready))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await task

    asyncio.run(until_signal())
    return 0
