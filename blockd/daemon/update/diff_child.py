"""The child process that finds what a version changed against another, which takes seconds for a large list."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blockd.daemon.process_name import name_process
from blockd.daemon.processes.progress import bounded
from blockd.daemon.rights.confinement import Confinement
from blockd.daemon.update.child_process import Start, end, end_with_parent, give, start
from blockd.errors import RulesetError
from blockd.ruleset import Ruleset
from blockd.ruleset.versions.changes import NO_POPULAR, changes
from blockd.ruleset.versions.diff import Changes, Comparison

MAX_TIME = 600.0  # seconds; ten million names take a few in C, and minutes in Python

log = logging.getLogger(__name__)


async def compared(old: Path, new: Path, start_child: Start = start) -> Changes:
    """Count what changes from one ruleset file to another, in a child process; raises RulesetError.

    Cancelling ends the process. One that is ended from outside says nothing of the files: another is started, once.
    """
    output, status = await _output(old, new, start_child)
    if not output and status < 0:
        output, status = await _output(old, new, start_child)
    try:
        return Changes(**json.loads(output))
    except (ValueError, TypeError) as error:
        how = f": its process was ended by signal {-status}" if not output and status < 0 else ""
        raise RulesetError(f"comparing {new} with {old} returned no result{how}") from error


async def differences(old: Path, new: Path, limit: int, start_child: Start = start) -> dict[str, Any]:
    """Return what changes, as `blockd.ruleset.versions.changes` has it, with at most `limit` names of each kind.

    It is found in a child process. Raises RulesetError.
    """
    output, _ = await _output(old, new, start_child, limit)
    try:
        found: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise RulesetError(f"comparing {new} with {old} returned no result") from error
    return found


async def _output(old: Path, new: Path, start_child: Start, limit: int | None = None) -> tuple[bytes, int]:
    """Return what a child process told, and what it ended with; raises RulesetError if it takes too long."""
    process = await start_child(__name__, str(old), str(new), *([] if limit is None else [str(limit)]))
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        async with bounded(process.pid, MAX_TIME):
            output = await process.stdout.read()
            return output, await process.wait()
    except TimeoutError as error:
        raise RulesetError(f"comparing {new} with {old} returned no result") from error
    finally:
        await end(process)


def main(arguments: Sequence[str]) -> int:
    """Compare two files and print what changes as JSON.

    The arguments are the id of the parent, the paths, and how many names of each kind are told: without that, only
    counts are.
    """
    end_with_parent(int(arguments[0]))
    name_process("diff")
    old, new = map(Path, arguments[1:3])
    Confinement.of_comparing([old, new]).apply()
    try:
        comparison = Comparison(Ruleset.open(old, verify=False), Ruleset.open(new, verify=False))
        told = changes(comparison, NO_POPULAR, int(arguments[3])) if arguments[3:] else asdict(comparison.count())
    except RulesetError as error:
        log.error("%s", error)
        return 1
    give(json.dumps(told).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
