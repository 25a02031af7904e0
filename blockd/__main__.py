"""The script `blockd`, and `python -m blockd`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from blockd.daemon.processes import signals

INTERRUPTED = 130  # 128 and the number of SIGINT
DAEMON = "run"  # the verb of the daemon
UMASK = 0o027  # of the daemon's files, whoever starts it: nobody else writes them, and only its group reads them
_interruptions = 0


def script() -> int:
    """Run the command line as a process of its own, which an interruption ends at any moment with one line."""
    is_daemon = sys.argv[1:2] == [DAEMON]
    if is_daemon:
        signals.begin()
        os.umask(UMASK)
    else:
        signal.signal(signal.SIGINT, _interrupted)
    from blockd.daemon.processes import streams  # only now: signals come first

    streams.occupy()
    if is_daemon:
        streams.begin()
    try:
        from blockd.cli import main

        code = main()
    except KeyboardInterrupt:  # while the command line was imported: nothing had begun
        sys.stderr.write("\nblockd: interrupted; nothing was changed.\n")
        code = INTERRUPTED
    if code == INTERRUPTED or is_daemon:
        _end(code)
    return code


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    """Interrupt what runs; the second time end at once, whatever is waited for."""
    global _interruptions
    _interruptions += 1
    if _interruptions > 1:
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


def _end(code: int) -> None:
    """End without waiting for threads: an interrupted command has nothing left to do, nor has a daemon."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)


if __name__ == "__main__":
    sys.exit(script())
