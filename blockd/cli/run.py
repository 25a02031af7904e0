"""`blockd run`: the daemon, in the foreground, as a service manager wants it."""

from __future__ import annotations

import argparse
import logging
import sys

from blockd.settings import load

HELP = "run the daemon in the foreground"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the config file says it all."""


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP fetches every feed now."""
    settings = load(args.config)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
        stream=sys.stderr,
    )
    logging.getLogger("tuf").setLevel(max(logging.WARNING, logging.root.level))  # else it tells of each key unused
    from blockd.daemon.supervisor import Supervisor

    return Supervisor(settings, args.config).run()
