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
from blockd.errors import BlockdError, RulesetError
from blockd.ruleset import Ruleset
from blockd.ruleset.versions.changes import PopularNames, changes, contradiction_changes
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


async def differences(
    old: Path, new: Path, limit: int, popular: Path | None, start_child: Start = start
) -> dict[str, Any]:
    """Return what changes, as `blockd.ruleset.versions.changes` has it, with at most `limit` names of each kind.

    `popular` is the file of the names whose coverage is told. It is found in a child process. Raises RulesetError.
    """
    output, _ = await _output(old, new, start_child, str(limit), str(popular or ""))
    try:
        found: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise RulesetError(f"comparing {new} with {old} returned no result") from error
    return found


async def _output(old: Path, new: Path, start_child: Start, *more: str) -> tuple[bytes, int]:
    """Return what a child process told, and what it ended with; raises RulesetError if it takes too long."""
    process = await start_child(__name__, str(old), str(new), *more)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        async with bounded(process.pid, MAX_TIME):
            output = await process.stdout.read()
            return output, await process.wait()
    except TimeoutError as error:
        raise RulesetError(f"comparing {new} with {old} returned no result") from error
    finally:
        await end(process)


def _told(comparison: Comparison, popular: PopularNames, limit: int) -> dict[str, Any]:
    """Return what changes, each list with so many items at most."""
    told = changes(comparison, popular, limit)
    orders: dict[str, Any] = told["orders"]
    more = {kind: max(0, len(found) - limit) for kind, found in orders.items()}
    shown = {kind: found[:limit] for kind, found in orders.items()}
    contradicted = contradiction_changes(comparison.old, comparison.new)
    return {**told, "orders": {**shown, "more": more}, "contradictions": contradicted}


def main(arguments: Sequence[str]) -> int:
    """Compare two files and print what changes as JSON.

    The arguments are the id of the parent and the paths; then how many names of each kind are told, and the file of
    popular names: without these two, only counts are told.
    """
    end_with_parent(int(arguments[0]))
    name_process("diff")
    old, new = map(Path, arguments[1:3])
    try:
        popular = PopularNames.of(Path(arguments[4])) if any(arguments[4:]) else PopularNames.of(None)
        Confinement.of_comparing([old, new]).apply()
        comparison = Comparison(Ruleset.open(old, verify=False), Ruleset.open(new, verify=False))
        told = asdict(comparison.count()) if not arguments[3:] else _told(comparison, popular, int(arguments[3]))
    except BlockdError as error:
        log.error("%s", error)
        return 1
    give(json.dumps(told).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
