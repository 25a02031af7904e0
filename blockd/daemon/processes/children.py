"""The processes that the supervisor keeps alive, and what each of them does first and last."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from blockd.daemon.channel import Channel, Message
from blockd.daemon.processes import pulse, signals
from blockd.daemon.processes.heard import TalkPace
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, drop
from blockd.daemon.update.child_process import end_with_parent
from blockd.errors import BlockdError, RulesetError

Kind = Literal["worker", "page", "decide", "control", "verifier", "checker", "canary", "tester", "trial"]
# One that is to take another's place has come until it serves; then the other leaves, and nothing is heard of it.
Standing = Literal["coming", "serving", "leaving"]

BAD_RULESET = 3  # exit code of a child that cannot open what it is to enforce
_MAX_REASON = 500  # letters of a sentence that is passed on
_NAMES = {number.value: number.name for number in signal.Signals}  # most of those of real time have none

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
    def follows(self) -> bool:
        """Whether it enforces what workers do, a little later, and nothing waits for it."""
        return self.kind in ("page", "decide")

    @property
    def enforces(self) -> bool:
        """Whether it opens the ruleset in force, is told which that is, and reports it."""
        return self.kind == "worker" or self.follows

    @property
    def is_passing(self) -> bool:
        """Whether it is forked for one task, of whose end something waits, and never started again."""
        return self.kind in ("verifier", "checker", "canary", "tester", "trial")


PAGE = Role("page")
DECIDE = Role("decide")
CONTROL = Role("control")


@dataclass(slots=True)
class Child:
    """A process that the supervisor keeps alive."""

    role: Role
    pid: int
    watch: int  # a pidfd: readable when the process has ended
    channel: Channel
    started: float  # by the monotonic clock
    pulse: Pulse
    enforcing: int | None = None  # the version that it reports to enforce, 0 for none
    reason: str = ""  # why it ends, as it says last
    pace: TalkPace = field(default_factory=TalkPace)  # of what it says
    is_done: bool = False  # whether nothing more is heard of it, or shall be
    standing: Standing = "serving"
    generation: object = None  # by which it serves
    is_ready: bool = False  # whether a control process has begun to serve
    row: int | None = None  # of the counters in shared memory, if it has one
    is_asked: bool = False  # whether it is asked to hand over what it has cached, and has not answered yet
    handed: int | None = None  # a descriptor of that, which nobody has taken yet
    said: list[Message] = field(default_factory=list)  # by one that was forked for one task
    status: int | None = None  # what it has ended with, as wait(2) says it; None while it runs

    @property
    def kind(self) -> Kind:
        """What kind of child it is."""
        return self.role.kind

    @property
    def name(self) -> str:
        """Its name in log lines."""
        return self.role.name

    @property
    def last_reason(self) -> str:
        """The last reason that it gave, if it was forked for one task; empty if it gave none."""
        return next((str(message["reason"]) for message in reversed(self.said) if "reason" in message), "")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended: then its process id may be another's."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.watch, number)


def be_child(job: Callable[[Channel], None], channel: Channel, own: Pulse, parent: int) -> NoReturn:
    """Run as a child of `parent`; never return into the supervisor's code, whatever happens."""
    code = 1
    try:
        end_with_parent(parent)
        drop(CAP_NET_BIND_SERVICE)  # which is the supervisor's alone
        signals.reset()
        pulse.be(own)
        job(channel)
        code = 0
    except BlockdError as error:
        log.error("%s", error)
        channel.send({"reason": str(error)[:_MAX_REASON]})
        code = BAD_RULESET if isinstance(error, RulesetError) else 1
    except MemoryError:
        log.error("This process has no memory left, and ends; it is started again.")
    except Exception:
        log.exception("An internal error in blockd ended this process; it is started again. Please report it.")
    finally:
        leave(code)


def leave(code: int = 0) -> NoReturn:
    """End this child at once: neither its threads, which may wait for a disk, nor anything else is waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def has_met_damage(status: int) -> bool:
    """Return whether a process has ended because the ruleset could not be opened, or was cut while it was mapped."""
    return was_cut(status) or (os.WIFEXITED(status) and os.WEXITSTATUS(status) == BAD_RULESET)


def was_cut(status: int) -> bool:
    """Return whether a process was ended by reading a file that was cut, or that the disk did not give (mmap(2))."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGBUS


def its_end(status: int | None, reason: str = "") -> str:
    """Say how a process ended, and why, by its wait status and what it said itself: a part of a sentence."""
    return f"ended ({how_it_ended(status or 0)})" + (f": {reason.removesuffix('.')}" if reason else "")


def how_it_ended(status: int) -> str:
    """Describe how a process ended, by its wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"killed by {_NAMES.get(number, f'signal {number}')}"
    return f"exit code {os.WEXITSTATUS(status)}"
