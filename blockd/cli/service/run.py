"""`blockd run`: the daemon, in the foreground, as a service manager wants it."""

from __future__ import annotations

import argparse
import logging
import os
from typing import TYPE_CHECKING

from blockd.cli.grammar import DONE, NO, USAGE
from blockd.daemon.upgrade import trial
from blockd.errors import BlockdError, CommandError, ConfigError
from blockd.settings import load

if TYPE_CHECKING:
    from blockd.daemon.upgrade.handover import Handover

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM, SIGINT or SIGQUIT; SIGHUP takes the config and fetches every feed."""
    if (asked := trial.asked(os.environ)) is not None:
        trial.run(args.config, *asked)
        return DONE
    from blockd.daemon.upgrade.handover import Handover
    from blockd.daemon.upgrade.takeover import go_back

    environment = dict(os.environ)
    handed = Handover.taken(os.environ)
    try:
        return _serve(args, handed)
    except Exception as error:
        if handed is None or not handed.back:
            raise
        log.critical("This version cannot take over: %s. Version %s is executed again.", error, handed.version)
        go_back(handed, str(error), environment)
        raise


def _serve(args: argparse.Namespace, handed: Handover | None) -> int:
    settings = load(args.config)
    from blockd.daemon.report import log_lines
    from blockd.daemon.supervisor import Supervisor

    log_lines.begin(settings.logged)
    try:
        return Supervisor(settings, args.config, handed).run()
    except BlockdError as error:
        if log_lines.is_plain() or (handed is not None and handed.back):
            raise
        for line in str(error).splitlines():
            log.critical("%s", line)
        return USAGE if isinstance(error, ConfigError | CommandError) else NO
