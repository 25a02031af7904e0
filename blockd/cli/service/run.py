"""`blockd run`: the daemon, in the foreground, as a service manager wants it."""

from __future__ import annotations

import argparse
import logging
import sys

from blockd.settings import load


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM, SIGINT or SIGQUIT; SIGHUP fetches every feed now."""
    settings = load(args.config)
    from blockd.daemon.report.log_lines import LineFormatter
    from blockd.daemon.supervisor import Supervisor

    logging.raiseExceptions = False  # a message that cannot be written is lost
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    logging.getLogger("tuf").setLevel(max(logging.WARNING, logging.root.level))  # otherwise it reports each unused key

    return Supervisor(settings, args.config).run()
