"""What each child of the supervisor does first and last, and how it ended."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from blockd.daemon.channel import Channel
from blockd.daemon.processes import signals
from blockd.errors import BlockdError

_NAMES = {number.value: number.name for number in signal.Signals}  # those of real time have none but the first and last

log = logging.getLogger(__name__)


def be_child(job: Callable[[Channel], None], channel: Channel) -> NoReturn:
    """Run as a child; never return into the supervisor's code, whatever happens."""
    code = 1
    try:
        signals.reset()
        job(channel)
        code = 0
    except BlockdError as error:
        log.error("%s", error)
    except MemoryError:
        log.error("This process has no memory left, and ends; it is started again.")
    except Exception:
        log.exception("An internal error in blockd ended this process; it is started again. Please report it.")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def how_it_ended(status: int) -> str:
    """Describe how a process ended, by its wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"killed by {_NAMES.get(number, f'signal {number}')}"
    return f"exit code {os.WEXITSTATUS(status)}"
