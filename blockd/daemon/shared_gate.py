"""The gate with its lists of guarded names, read once at a start by a child process.

Only the control process and the compiling child need them. In the supervisor's memory each worker would hold them too.
They are kept as a sealed file in memory instead, so that a control process that is started again has the same, and
needs no permission to read the lists.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from blockd.daemon.interchange import sealed
from blockd.daemon.interchange.failures import failure_of, failure_values
from blockd.daemon.interchange.values import from_values, to_values
from blockd.daemon.process_name import name_process
from blockd.daemon.rights.account import Account, become_reading_all
from blockd.daemon.update.child_process import end_with_parent
from blockd.errors import BlockdError, CommandError, cause_of
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import Feed, GateSettings

T = TypeVar("T")

_GATE, _ERROR = b"g", b"e"  # how the file begins, by what it holds as JSON
MAX_SIZE = 1 << 30  # octets of it: a gate of ten million names takes less


class SharedGate:
    """The gate that `settings` describe, with those of `feeds`.

    Reading starts at once, in the background.
    """

    def __init__(self, settings: GateSettings, feeds: Sequence[Feed] = (), account: Account | None = None) -> None:
        """Start reading, as `account` with the right to read every file; as this process' user if it is None."""
        self._descriptor = sealed.made("blockd-gate")
        own = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _write_and_exit(settings, feeds, account, self._descriptor, own)

    def check(self) -> None:
        """Wait until it is read; raises ConfigError if one of its lists cannot be used. Call it once.

        Raises CommandError if the child has failed. The gate itself stays unread, and out of this process' memory.
        """
        _, status = os.waitpid(self._pid, 0)
        if status or not sealed.is_sealed(self._descriptor):
            raise CommandError("The lists of the gate (gate) could not be read; nothing was started.")
        if os.pread(self._descriptor, 1, 0) == _ERROR:
            raise self._value(failure_of)

    def gate(self) -> Gate:
        """Return the gate, after `check`; raises CommandError if the child has left something else."""
        return self._value(lambda values: from_values(values, Gate))

    def _value(self, read: Callable[[Any], T]) -> T:
        size = os.fstat(self._descriptor).st_size
        try:
            if size > MAX_SIZE:
                raise ValueError("it is too large")
            return read(json.loads(os.pread(self._descriptor, size, 1)))
        except (ValueError, RecursionError) as error:
            raise CommandError(
                f"The process that reads the lists of the gate (gate) left no gate: {cause_of(error)}. "
                "Nothing was started. Please report it."
            ) from error


def _write_and_exit(
    settings: GateSettings, feeds: Sequence[Feed], account: Account | None, descriptor: int, parent: int
) -> None:
    """Run as the child; never return into the caller's code, whatever happens."""
    code = 1
    try:
        name_process("gate")
        become_reading_all(account)
        end_with_parent(parent)  # now: a change of user makes the kernel forget it
        try:
            told = _GATE + json.dumps(to_values(gate_of(settings, feeds), Gate)).encode()
        except BlockdError as error:
            told = _ERROR + json.dumps(failure_values(error)).encode()
        with open(descriptor, "wb", closefd=False) as file:
            file.write(told)
        sealed.seal(descriptor)
        code = 0
    except Exception as error:
        print(f"blockd: the lists of the gate: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
