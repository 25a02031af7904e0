"""The child process that compiles, so that the control process is spared the time and the memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from blockd.compile.amend import amend
from blockd.compile.build import build, read_alone
from blockd.compile.built import Built
from blockd.compile.spending import Spending
from blockd.daemon.interchange.failures import failure_of, failure_values
from blockd.daemon.interchange.values import from_values, to_values
from blockd.daemon.process_name import name_process
from blockd.daemon.processes.progress import STUCK, bounded
from blockd.daemon.rights.confinement import Confinement
from blockd.daemon.update.child_process import ChildProcess, Start, end, end_with_parent, give, start
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.disk_room import DiskRoom
from blockd.errors import BlockdError, RulesetError, cause_of
from blockd.feeds.candidate import Candidate
from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Gate, Ruleset
from blockd.ruleset.building.spare import Spare
from blockd.ruleset.gate.guard_report import GuardReport

MAX_TIME = 1800.0  # seconds; ten million names need a fraction of it
_FRAME = struct.Struct("<BQ")  # what follows, and its octets
_FEED, _RESULT = 0, 1  # the name of the feed whose new content is read from now on; the result, as JSON
MAX_NAME = 1024  # octets of the name of a feed
MAX_RESULT = 256 << 20  # octets of a result: ten thousand entries for each reason and feed are named in it


@dataclass(frozen=True, slots=True)
class Job:
    """What is compiled, to where, and what it is compared with.

    `in_force` is the file of the ruleset that is enforced, None if none is; `reports` and `held` are of the accepted
    content, by feed. If `amends` is true, the result has no header unless that of `in_force` can be amended; a `spare`
    copy of that one becomes the next. If `reads` is true, the only candidate's new content is read and judged, and
    nothing is compiled.
    """

    candidates: Sequence[Candidate]
    path: Path
    gate: Gate
    in_force: Path | None
    reports: Mapping[str, RejectReport]
    held: Mapping[str, GuardReport]
    amends: bool = False
    reads: bool = False
    spare: Spare | None = None


class Ended(RulesetError):
    """The child ended without a result while it read the new content of `feed`, which is empty if it did not.

    `number` is that of the signal that ended it, 0 if none did; it was ended because it stood still if `is_stuck`.
    """

    def __init__(self, sentence: str, feed: str, number: int = 0, *, is_stuck: bool = False) -> None:
        super().__init__(sentence)
        self.feed = feed
        self.number = number
        self.is_stuck = is_stuck


class _Child:
    """A child, and the feed whose new content it reads, empty if it reads none."""

    def __init__(self, process: ChildProcess) -> None:
        self.process = process
        self.feed = ""

    async def run(self, work: bytes, feeds: Collection[str]) -> bytes:
        """Hand in work on some feeds, and return the result, empty if it ended without one; it may still be ending.

        Raises ValueError if it tells anything else than it should.
        """
        given, told = self.process.stdin, self.process.stdout
        assert given is not None  # noqa: S101 - both are pipes
        assert told is not None  # noqa: S101
        with contextlib.suppress(ConnectionError):  # it has ended
            given.write(work)
            await given.drain()
            given.write_eof()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, size = _FRAME.unpack(await told.readexactly(_FRAME.size))
                if size > {_FEED: MAX_NAME, _RESULT: MAX_RESULT}.get(kind, -1):
                    raise ValueError("it told something else than a result")
                octets = await told.readexactly(size)
                if kind == _RESULT:
                    return octets
                if (feed := octets.decode("ascii")) not in feeds:
                    raise ValueError("it told of a feed that it was not given")
                self.feed = feed
        await self.process.wait()
        return b""


class Compiler:
    """Child processes that compile, started by `start_child`.

    Unless that is `quick`, the next one is started in advance, so that news need not wait for it.
    """

    def __init__(self, start_child: Start = start, *, quick: bool = False) -> None:
        self._start = start_child
        self._is_quick = quick
        self._next: asyncio.Task[_Child] | None = None
        self._busy: _Child | None = None  # with the job that compiles
        self._ending: set[asyncio.Task[None]] = set()
        self._gate: tuple[Gate, bytes] | None = None  # that of the last job, and as JSON

    @property
    def reading(self) -> str:
        """The feed whose new content is read at this moment for a ruleset; empty if none is."""
        return self._busy.feed if self._busy is not None else ""

    def prepare(self) -> None:
        """Start the next process."""
        if self._next is None and not self._is_quick:
            self._next = asyncio.create_task(self._started())

    async def compile(self, job: Job) -> Built:
        """Compile in a child process; raises RulesetError if that fails. Cancelling ends the process."""
        return await self._run(job)

    async def read(self, job: Job) -> Built:
        """Read one feed's new content in a child process, which cancelling ends; the result has its refusal."""
        return await self._run(replace(job, reads=True))

    async def close(self) -> None:
        """End the waiting process, and wait for those that are ending."""
        if self._next is not None:
            await end((await self._take()).process)
        await asyncio.gather(*self._ending)

    async def _run(self, job: Job) -> Built:
        child = await self._take()
        if child.process.returncode is not None:  # it ended while it waited
            child = await self._started()
        is_main = not job.amends and not job.reads
        if is_main:
            self._busy = child
        try:
            async with bounded(child.process.pid, None if job.reads else MAX_TIME) as bound:
                output = await child.run(self._octets(job), {"", *(one.feed.name for one in job.candidates)})
                return self._result(output, child)
        except ValueError as error:
            sentence = f"the compiling process returned no result: {cause_of(error)}"
            raise Ended(sentence, child.feed) from error
        except TimeoutError as error:
            sentence = f"compiling took more than {MAX_TIME:.0f} seconds and was ended"
            if bound.is_stuck:
                sentence = f"the compiling process stood still for {STUCK:.0f} seconds and was ended"
            raise Ended(sentence, child.feed, signal.SIGKILL, is_stuck=bound.is_stuck) from error
        finally:
            if is_main:
                self._busy = None
            ending = asyncio.create_task(end(child.process))  # unmapping its files takes it a moment
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _octets(self, job: Job) -> bytes:
        """Return a job as it is handed in: two lines of JSON, of which the second is its gate."""
        if self._gate is None or self._gate[0] is not job.gate:
            self._gate = job.gate, json.dumps(to_values(job.gate, Gate)).encode()
        return json.dumps(to_values(replace(job, gate=Gate()), Job)).encode() + b"\n" + self._gate[1]

    @staticmethod
    def _result(output: bytes, child: _Child) -> Built:
        """Return what a child has told; raises its error, Ended if it told none, and ValueError for anything else."""
        status = child.process.returncode
        if not output and status:
            sentence = f"the compiling process ended with {status}; see the log lines above"
            raise Ended(sentence, child.feed, max(0, -status))
        if not output:
            raise RulesetError("the compiling process returned no result")
        told = _members(output)
        if "error" in told:
            raise failure_of(told["error"])
        return from_values(told.get("built"), Built)

    async def _started(self) -> _Child:
        return _Child(await self._start(__name__, reads=True))

    async def _take(self) -> _Child:
        waiting, self._next = self._next, None
        return await (self._started() if waiting is None else waiting)


class RulesetCompiler(Protocol):
    """Compiler of rulesets; `Compiler` implements it with a child process."""

    @property
    def reading(self) -> str:
        """The feed whose new content is read at this moment for a ruleset; empty if none is."""

    def prepare(self) -> None:
        """Get ready for the next job."""

    async def compile(self, job: Job, /) -> Built:
        """Compile; raises RulesetError if that fails, Ended if it is known which feed was read then."""

    async def read(self, job: Job, /) -> Built:
        """Read and judge the new content of a job's only candidate, and compile nothing.

        Raises RulesetError if that fails, Ended if the content may be why.
        """

    async def close(self) -> None:
        """Release what is kept ready."""


@dataclass(frozen=True, slots=True)
class Compiling:
    """How a ruleset is made: by which gate and compiler, to which file, and with what room for it."""

    gate: CurrentGate
    path: Path
    compiler: RulesetCompiler = field(default_factory=Compiler)
    room: DiskRoom | None = None  # on the disk of that file


def main(arguments: Sequence[str] = ()) -> int:
    """Do the work on standard input and write the result to standard output; the argument is the id of the parent."""
    end_with_parent(int(arguments[0]) if arguments else os.getppid())
    name_process("compile")
    try:
        with open(0, "rb", closefd=False) as given:
            job = _job(*given.read().split(b"\n", 1))
    except (ValueError, TypeError):
        return 0  # the parent ended before all of the job was written
    _confine(job)
    told: dict[str, object]
    try:
        told = {"built": to_values(_read(job) if job.reads else _compiled(job), Built)}
    except BlockdError as error:
        told = {"error": failure_values(error)}
    except OSError as error:
        sentence = f"{error.filename or 'a file'} cannot be read or written: {cause_of(error)}"
        told = {"error": failure_values(RulesetError(sentence))}
    _tell(_RESULT, json.dumps(told).encode())
    return 0


def _job(first: bytes, gate: bytes) -> Job:
    """Return the job that was handed in; raises ValueError or TypeError if it is not whole."""
    return replace(from_values(_members(first), Job), gate=from_values(json.loads(gate), Gate))


def _members(octets: bytes) -> dict[str, Any]:
    """Return the members of an object of JSON; raises ValueError for anything else."""
    try:
        told = json.loads(octets)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(told, dict):
        raise ValueError("expected an object of JSON")
    return told


def _confine(job: Job) -> None:
    """Leave this process what it reads, and one folder to write: that of the ruleset, or of the content that it reads.

    What does not fit into memory is written there for a while.
    """
    given = [one for candidate in job.candidates for one in (candidate.incoming, candidate.accepted) if one]
    contents = [content.path.parent for content in given]
    place = contents[0] if job.reads else job.path.parent
    in_force = [job.in_force.parent] if job.in_force is not None else []
    tempfile.tempdir = str(place)
    Confinement.of_compiling((*contents, *in_force), place).apply()


def _read(job: Job) -> Built:
    """Read and judge the new content of the only candidate."""
    [candidate] = job.candidates
    in_force, created = _catalogue(job.in_force), int(time.time())
    return read_alone(candidate, Spending(_tell_feed), gate=job.gate, in_force=in_force, created=created)


def _compiled(job: Job) -> Built:
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
            watch=Spending(_tell_feed),
            spare=job.spare,
        )
        if amended is not None:
            return amended
    if job.amends:
        return Built()
    return build(
        job.candidates,
        job.path,
        gate=job.gate,
        in_force=_catalogue(job.in_force),
        created=created,
        randomness=os.urandom,
        watch=Spending(_tell_feed),
    )


def _tell_feed(feed: str) -> None:
    """Tell the parent whose new content is read from now on."""
    _tell(_FEED, feed.encode("ascii"))


def _tell(kind: int, octets: bytes) -> None:
    give(_FRAME.pack(kind, len(octets)) + octets)


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
    sys.exit(main(sys.argv[1:]))
