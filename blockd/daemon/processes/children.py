"""The processes that the supervisor keeps alive, and what each of them does first and last."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn

from blockd.daemon.channel import Channel
from blockd.daemon.update.nursery import reset_signals
from blockd.errors import BlockdError

Kind = Literal["worker", "page", "control"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Role:
    """What a child is for; `index` tells workers apart, and is 0 for the others, of which there is one each."""

    kind: Kind
    index: int = 0

    @property
    def name(self) -> str:
        """Its name in log lines."""
        return f"worker {self.index}" if self.kind == "worker" else self.kind

    @property
    def enforces(self) -> bool:
        """Whether it opens the ruleset in force, is told which that is, and reports it."""
        return self.kind != "control"


PAGE = Role("page")
CONTROL = Role("control")


@dataclass(slots=True)
class Child:
    """A process that the supervisor keeps alive."""

    role: Role
    pid: int
    watch: int  # a pidfd: readable when the process has ended
    channel: Channel
    started: float  # by the monotonic clock
    enforcing: int | None = None  # the version that it reports to enforce, 0 for none

    @property
    def kind(self) -> Kind:
        """What kind of child it is."""
        return self.role.kind

    @property
    def name(self) -> str:
        """Its name in log lines."""
        return self.role.name


def be_child(job: Callable[[Channel], None], channel: Channel) -> NoReturn:
    """Run as a child; never return into the supervisor's code, whatever happens."""
    code = 1
    try:
        reset_signals()
        job(channel)
        code = 0
    except BlockdError as error:
        log.error("%s", error)
    except Exception:
        log.exception("An internal error in blockd ended this process; it is started again. Please report it.")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def how_it_ended(status: int) -> str:
    """Describe how a process ended, by its wait status."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.WEXITSTATUS(status)}"
