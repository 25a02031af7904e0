"""The supervisor as process 1 waits for what it did not start, and never takes it for its own."""

from __future__ import annotations

import ctypes
import os

from blockd.daemon.processes.reaping import Reaper
from tests.daemon.harness import until

PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphans below this process become its children, as they do of process 1


def test_orphan_is_waited_for_and_own_children_keep_their_ends() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _as_first_process()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _as_first_process() -> int:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reaper = Reaper()
    told, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        orphan = os.fork()
        if orphan == 0:
            os._exit(9)
        os.write(tell, b"%d" % orphan)
        os._exit(8)
    own = os.fork()
    if own == 0:
        os._exit(7)
    orphan = int(os.read(told, 32))

    def is_gone() -> bool:
        reaper.collect([own, middle])
        try:
            os.kill(orphan, 0)
        except ProcessLookupError:
            return True
        return False

    until(is_gone, "the orphan has been waited for")
    ends = [os.waitstatus_to_exitcode(reaper.status(child)) for child in (own, middle)]
    return 0 if ends == [7, 8] else 1
