"""The gate with its lists of guarded names, read once at a start by a child process.

Only the control process and the compiling child need them. In the supervisor's memory each worker would hold them too.
They are kept as a file in memory instead, so that a control process that is started again has the same, and needs no
permission to read the lists.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence

from blockd.daemon.process_name import name_process
from blockd.daemon.rights.account import Account, become_reading_all
from blockd.errors import BlockdError, CommandError
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import Feed, GateSettings

_GATE, _ERROR = b"g", b"e"  # how the file begins, by what it holds


class SharedGate:
    """The gate that `settings` describe, with those of `feeds`.

    Reading starts at once, in the background.
    """

    def __init__(self, settings: GateSettings, feeds: Sequence[Feed] = (), account: Account | None = None) -> None:
        """Start reading, as `account` with the right to read every file; as this process' user if it is None."""
        self._descriptor = os.memfd_create("blockd-gate", os.MFD_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _write_and_exit(settings, feeds, account, self._descriptor)

    def check(self) -> None:
        """Wait until it is read; raises ConfigError if one of its lists cannot be used. Call it once."""
        _, status = os.waitpid(self._pid, 0)
        if status:
            raise CommandError("The lists of the gate (gate) could not be read; nothing was started.")
        if os.pread(self._descriptor, 1, 0) == _ERROR:
            error: BlockdError = pickle.loads(self._octets())  # noqa: S301 - from our own child
            raise error

    def gate(self) -> Gate:
        """Return the gate, after `check`."""
        gate: Gate = pickle.loads(self._octets())  # noqa: S301 - from our own child
        return gate

    def _octets(self) -> bytes:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 1)


def _write_and_exit(settings: GateSettings, feeds: Sequence[Feed], account: Account | None, descriptor: int) -> None:
    """Run as the child; never return into the caller's code, whatever happens."""
    code = 1
    try:
        name_process("gate")
        become_reading_all(account)
        with open(descriptor, "wb", closefd=False) as file:
            try:
                gate = gate_of(settings, feeds)
            except BlockdError as error:
                file.write(_ERROR + pickle.dumps(error))
            else:
                file.write(_GATE)
                pickle.dump(gate, file)
        code = 0
    except Exception as error:
        print(f"blockd: the lists of the gate: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
