"""The gate with its lists of guarded names, read once at a start by a child process.

Only the control process and the compiling child need them. In the supervisor's memory each worker would hold them too.
They are kept as a sealed file in memory instead, so that a control process that is started again has the same, and
needs no permission to read the lists.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from blockd.daemon.interchange import sealed
from blockd.daemon.interchange.failures import failure_of, failure_values
from blockd.daemon.interchange.values import from_values, to_values
from blockd.daemon.process_name import name_process
from blockd.daemon.processes.children import how_it_ended
from blockd.daemon.rights.account import Account, become_reading_all
from blockd.daemon.update.child_process import end_with_parent
from blockd.errors import BlockdError, CommandError, cause_of
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import Feed, GateSettings

T = TypeVar("T")
log = logging.getLogger(__name__)

_GATE, _ERROR = b"g", b"e"  # how the file begins, by what it holds as JSON
MAX_SIZE = 1 << 30  # octets of it: a gate of ten million names takes less


class HandedGate:
    """A gate in a sealed file in memory, or what is wrong with its lists."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def read(cls, settings: GateSettings, feeds: Sequence[Feed]) -> HandedGate:
        """Return what this process reads; raises ConfigError if a list cannot be used."""
        descriptor = sealed.made("blockd-gate")
        sealed.fill(descriptor, _GATE + _octets_of(settings, feeds))
        return cls(descriptor)

    def gate(self) -> Gate:
        """Return the gate; raises CommandError if the child has left something else."""
        return self._value(lambda values: from_values(values, Gate))

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def _value(self, read: Callable[[Any], T]) -> T:
        try:
            return read(sealed.json_of(self.descriptor, MAX_SIZE, len(_GATE)))
        except ValueError as error:
            raise CommandError(
                f"The process that reads the lists of the gate (gate) left no gate: {cause_of(error)}. "
                "Nothing was started. Please report it."
            ) from error


class SharedGate(HandedGate):
    """The gate that `settings` describe, with those of `feeds`.

    Reading starts at once, in the background.
    """

    def __init__(self, settings: GateSettings, feeds: Sequence[Feed] = (), account: Account | None = None) -> None:
        """Start reading, as `account` with the right to read every file; as this process' user if it is None."""
        self._reader = _Reader.forked(settings, feeds, account)
        self._spare = _Reader.forked(settings, feeds, account)  # now, as this process may not read them later
        self._reader.begin()
        super().__init__(self._reader.descriptor)

    def check(self) -> None:
        """Wait until it is read; raises ConfigError if one of its lists cannot be used. Call it once.

        Raises CommandError if the child has failed. The gate itself stays unread, and out of this process' memory.
        """
        status = self._reader.end()
        if os.WIFSIGNALED(status):  # from outside, or as memory is short: that says nothing of the lists
            log.error("The process that reads the lists of the gate ended (%s). Another does.", how_it_ended(status))
            self._reader, self._spare = self._spare, self._reader
            self._reader.begin()
            status = self._reader.end()
        else:
            os.kill(self._spare.pid, signal.SIGKILL)  # it has not been waited for: the number is its own
            self._spare.end()
        os.close(self._spare.descriptor)
        self.descriptor = self._reader.descriptor
        if status or not sealed.is_sealed(self.descriptor):
            how = f": the process that reads them was {how_it_ended(status)}, twice" if os.WIFSIGNALED(status) else ""
            raise CommandError(f"The lists of the gate (gate) could not be read{how}; nothing was started.")
        if os.pread(self.descriptor, 1, 0) == _ERROR:
            raise self._value(failure_of)


@dataclass(frozen=True, slots=True)
class _Reader:
    """A child that reads the lists into the file in memory at `descriptor`, once it is told to by `asking`."""

    pid: int
    descriptor: int
    asking: int

    @classmethod
    def forked(cls, settings: GateSettings, feeds: Sequence[Feed], account: Account | None) -> _Reader:
        """Fork a child that waits to be told."""
        descriptor, own = sealed.made("blockd-gate"), os.getpid()
        asked, asking = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(asking)
            _write_and_exit(settings, feeds, account, descriptor, own, asked)
        os.close(asked)
        return cls(pid, descriptor, asking)

    def begin(self) -> None:
        """Have it read."""
        with contextlib.suppress(BrokenPipeError):  # it has ended
            os.write(self.asking, b"r")

    def end(self) -> int:
        """Wait until it has ended; return what with."""
        os.close(self.asking)
        return os.waitpid(self.pid, 0)[1]


def _write_and_exit(
    settings: GateSettings, feeds: Sequence[Feed], account: Account | None, descriptor: int, parent: int, asked: int
) -> None:
    """Run as the child; never return into the caller's code, whatever happens."""
    code = 1
    try:
        name_process("gate")
        become_reading_all(account)
        end_with_parent(parent)  # now: a change of user makes the kernel forget it
        if not os.read(asked, 1):
            return  # it is not needed; `finally` ends it
        try:
            told = _GATE + _octets_of(settings, feeds)
        except BlockdError as error:
            told = _ERROR + json.dumps(failure_values(error)).encode()
        sealed.fill(descriptor, told)
        code = 0
    except Exception as error:
        log.error("The lists of the gate (gate) cannot be read: %r. Please report it.", error)
    finally:
        os._exit(code)


def _octets_of(settings: GateSettings, feeds: Sequence[Feed]) -> bytes:
    return json.dumps(to_values(gate_of(settings, feeds), Gate)).encode()
