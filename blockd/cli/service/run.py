"""`blockd run`: the daemon, in the foreground, as a service manager wants it."""

from __future__ import annotations

import argparse
import logging

from blockd.cli.grammar import NO, USAGE
from blockd.errors import BlockdError, CommandError, ConfigError
from blockd.settings import load

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM, SIGINT or SIGQUIT; SIGHUP takes the config and fetches every feed."""
    settings = load(args.config)
    from blockd.daemon.report import log_lines
    from blockd.daemon.supervisor import Supervisor

    log_lines.begin(settings.logged)
    try:
        return Supervisor(settings, args.config).run()
    except BlockdError as error:
        if log_lines.is_plain():
            raise
        for line in str(error).splitlines():
            log.critical("%s", line)
        return USAGE if isinstance(error, ConfigError | CommandError) else NO
