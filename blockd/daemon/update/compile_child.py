"""The child process that compiles, so that the control process is spared the time and the memory."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blockd.compile.amend import amend
from blockd.compile.build import Built, build
from blockd.daemon.process_name import name_process
from blockd.daemon.update.child_process import end, end_with_parent, give, start
from blockd.errors import BlockdError, RulesetError
from blockd.feeds.candidate import Candidate
from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Gate, Ruleset
from blockd.ruleset.gate.guard_report import GuardReport

MAX_TIME = 1800.0  # seconds; ten million names need a fraction of it


@dataclass(frozen=True, slots=True)
class Job:
    """What is compiled, to where, and what it is compared with.

    `in_force` is the file of the ruleset that is enforced, None if none is; `reports` and `held` are of the accepted
    content, by feed.
    """

    candidates: Sequence[Candidate]
    path: Path
    gate: Gate
    in_force: Path | None
    reports: Mapping[str, RejectReport]
    held: Mapping[str, GuardReport]


class Compiler:
    """The child process that compiles. The next one is started in advance, so that news need not wait for it."""

    def __init__(self) -> None:
        self._next: asyncio.Task[asyncio.subprocess.Process] | None = None

    def prepare(self) -> None:
        """Start the next process."""
        if self._next is None:
            self._next = asyncio.create_task(start(__name__, reads=True))

    async def compile(self, job: Job) -> Built:
        """Compile in a child process; raises RulesetError if that fails. Cancelling ends the process."""
        self.prepare()
        process = await self._take()
        if process.returncode is not None:  # it ended while it waited
            process = await start(__name__, reads=True)
        try:
            async with asyncio.timeout(MAX_TIME):
                output, _ = await process.communicate(pickle.dumps(job))
        except TimeoutError as error:
            raise RulesetError(f"compiling took more than {MAX_TIME:.0f} seconds and was ended") from error
        finally:
            await end(process)
        self.prepare()
        if process.returncode != 0:
            raise RulesetError(f"the compiling process ended with {process.returncode}; see the log lines above")
        result = pickle.loads(output)  # noqa: S301 - from our own child, through a pipe that nobody else has
        if isinstance(result, BlockdError):
            raise result
        if not isinstance(result, Built):
            raise RulesetError("the compiling process returned no result")
        return result

    async def close(self) -> None:
        """End the waiting process."""
        if self._next is not None:
            await end(await self._take())

    async def _take(self) -> asyncio.subprocess.Process:
        waiting, self._next = self._next, None
        assert waiting is not None  # noqa: S101 - the callers have looked
        return await waiting


class RulesetCompiler(Protocol):
    """Compiler of rulesets; `Compiler` implements it with a child process."""

    def prepare(self) -> None:
        """Get ready for the next job."""

    async def compile(self, job: Job, /) -> Built:
        """Compile; raises RulesetError if that fails."""

    async def close(self) -> None:
        """Release what is kept ready."""


@dataclass(frozen=True, slots=True)
class Compiling:
    """How a ruleset is made: by which gate and compiler, and to which file."""

    gate: Gate
    path: Path
    compiler: RulesetCompiler = field(default_factory=Compiler)


def main() -> int:
    """Compile the job on standard input and write the result to standard output."""
    end_with_parent()
    name_process("compile")
    try:
        job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    except (EOFError, pickle.UnpicklingError):
        return 0  # the parent ended before all of the job was written
    result: Built | BlockdError
    try:
        result = _result(job)
    except BlockdError as error:
        result = error
    give(pickle.dumps(result))
    return 0


def _result(job: Job) -> Built:
    """Amend the ruleset in force if that is enough, which is quick; else compile."""
    created = int(time.time())
    if job.in_force is not None:
        amended = amend(
            job.candidates,
            job.in_force,
            job.path,
            reports=job.reports,
            held=job.held,
            gate=job.gate,
            created=created,
            randomness=os.urandom,
        )
        if amended is not None:
            return amended
    return build(
        job.candidates,
        job.path,
        gate=job.gate,
        in_force=_catalogue(job.in_force),
        created=created,
        randomness=os.urandom,
    )


def _catalogue(in_force: Path | None) -> Catalogue | None:
    """Return the catalogue that the gate compares with."""
    if in_force is None:
        return None
    ruleset = Ruleset.open(in_force, verify=False)
    try:
        return ruleset.catalogue
    finally:
        ruleset.close()


if __name__ == "__main__":
    sys.exit(main())
