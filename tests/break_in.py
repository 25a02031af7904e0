"""What a process can do that has been broken into: an attempt, made in a fork that stands where that process stands."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

NOBODY = pwd.getpwnam("nobody")
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
SECONDS = 20  # after which an attempt that hangs is ended


def let_through(folder: Path) -> None:
    """Let everybody through a folder of a test, and those above it: what is in it has to protect itself."""
    for path in (folder, *folder.parents):
        if path.stat().st_mode & stat.S_IXOTH:
            return
        path.chmod(0o755)


def attempted(attempt: Callable[[], object], standing: Callable[[], object] = lambda: None) -> bool:
    """Return whether an attempt succeeds after `standing`; one that fails raises OSError or returns False.

    Any other exception, and one in `standing`, is an error of the test.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        told = b"e"
        try:
            os.close(reading)
            signal.alarm(SECONDS)
            standing()
            try:
                told = b"n" if attempt() is False else b"y"
            except OSError:
                told = b"n"
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os.write(writing, told)
            os._exit(0)
    os.close(writing)
    told = os.read(reading, 1)
    os.close(reading)
    os.waitpid(pid, 0)
    assert told in (b"y", b"n"), f"the attempt ended with {told!r}; see above"
    return told == b"y"


def become_nobody() -> None:
    """Become `nobody`, without any group of root's."""
    os.setgroups([])
    os.setresgid(NOBODY.pw_gid, NOBODY.pw_gid, NOBODY.pw_gid)
    os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, NOBODY.pw_uid)
