"""The trial of one server: it is started, its answers are checked, and then it is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from tests.bench.load import WARM_RATE, Load, ask
from tests.bench.measure import core_seconds, cpu_seconds, memory_mb
from tests.bench.names import REAL, Names, missed
from tests.bench.programs import ProgramFailed
from tests.bench.server import Server
from tests.bench.table import Cost, Row

ENFORCE_TIME = 900.0  # seconds that a server may take to enforce a list of any size
PROBES = 200  # names that must all be blocked before a list counts as enforced: some servers build it bit by bit
PROBE_PATIENCE = 0.1  # seconds for one answer; a server that is not there yet says nothing
PROBE_PAUSE = 0.002  # seconds; the answers wanted are waited for, and the load must not suffer
SAMPLE = 20  # names of each kind whose answers are checked
PATIENCE = 2.0  # seconds that a checked answer may take
TRIES = 5  # after as much silence it counts as none: on a busy machine a single answer may be late
MISSES = 100_000  # new names for each second: more than any server gets from one core of an upstream
WRONG = 0.001  # of the answers may have another rcode than the right one: an upstream may be overrun for a moment
WARM_RUNS = 2  # times that the names to be cached are asked for
LEAD = 0.5  # seconds of load before a change, and again after it


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    seconds: float  # of one run
    runs: int  # whose median counts


class Trial:
    """Measures one server into `row`."""

    def __init__(self, server: Server, names: Names, load: Load, plan: Plan, say: Callable[[str], None]) -> None:
        self._server = server
        self._names = names
        self._load = load
        self._plan = plan
        self._say = say
        self._probe = count()
        self._runs = count()
        self.row = Row(server.name, server.version(), server.how)

    def run(self) -> None:
        """Do it all. A server that does not answer rightly gets a problem in its row, and no figures from then on."""
        try:
            self._starts()
            self._check()
            self._costs()
            self._delays()
            self.row.memory = memory_mb(self._server.daemon.pid)
            if self._server.resolves:
                self._change()
        except (ProgramFailed, OSError) as failed:
            self.row.problem = str(failed)
        finally:
            self._server.stop()

    def _starts(self) -> None:
        server = self._server
        self._say("list")
        server.prepare()
        self._say("start")
        self.row.start = self._start(server.build)
        if server.builds:
            server.stop()
            self.row.warm_start = self._start(lambda: None)

    def _start(self, build: Callable[[], None]) -> float:
        begun = time.monotonic()
        build()
        self._server.start()
        return self._until_blocked(self._names.blocked[:PROBES], begun)

    def _until_blocked(self, names: Iterable[str], begun: float, task: Future[None] | None = None) -> float:
        """Wait until all names are; return the seconds from `begun` to the first, or the last waited for.

        Each is asked for below itself, another name each time, past every cache.
        """
        server = self._server
        took = 0.0
        for name in names:
            waited = took == 0.0
            while ask(server.port, self._below(name), PROBE_PATIENCE) != server.blocked:
                waited = True
                server.daemon.check()
                if task is not None and task.done():
                    task.result()  # raises what went wrong
                if time.monotonic() - begun > ENFORCE_TIME:
                    said = server.daemon.tail()
                    raise ProgramFailed(f"did not block {name} within {ENFORCE_TIME:.0f} s: {said}")
                time.sleep(PROBE_PAUSE)
            if waited:
                took = time.monotonic() - begun
        return took

    def _below(self, name: str) -> str:
        return f"probe{next(self._probe)}.{name}"

    def _answer(self, name: str) -> str | None:
        """Ask for a name, and again where nothing comes; None for silence all the time."""
        return next((got for _ in range(TRIES) if (got := ask(self._server.port, name, PATIENCE))), None)

    def _check(self) -> None:
        """Ask for a sample of every kind; raises ProgramFailed if an answer is not the right one."""
        self._say("check")
        blocked = self._names.blocked[-SAMPLE:]
        wanted = [(name, self._server.blocked) for name in (*blocked, *(f"www.{name}" for name in blocked))]
        if self._server.resolves:
            fresh = missed(SAMPLE, next(self._runs))
            wanted += [(name, REAL) for name in (*self._names.cached[:SAMPLE], *self._names.cached[:SAMPLE], *fresh)]
        for name, right in wanted:
            got = self._answer(name)
            if got != right:
                raise ProgramFailed(
                    f"answered {name} with {got or 'silence'}, not {right}: {self._server.daemon.tail()}"
                )

    def _costs(self) -> None:
        costs = self.row.costs
        questions = self._load.questions(self._names.blocked)
        costs["blocked"] = self._cost("blocked", lambda: questions)
        if not self._server.resolves:
            return
        cached = self._load.questions(self._names.cached)
        for _ in range(WARM_RUNS):
            self._load.flood(self._server.port, cached, ENFORCE_TIME, once=True, rate=WARM_RATE)
        costs["cached"] = self._cost("cached", lambda: cached)
        amount = int(MISSES * self._plan.seconds)
        costs["missed"] = self._cost(
            "missed", lambda: self._load.questions(missed(amount, next(self._runs))), once=True
        )

    def _cost(self, kind: str, questions: Callable[[], Path], *, once: bool = False) -> Cost:
        server = self._server
        runs = []
        for number in range(self._plan.runs):
            self._say(f"{kind} {number + 1}/{self._plan.runs}")
            asked = questions()
            begun, core, own = time.monotonic(), core_seconds(server.core), cpu_seconds(server.daemon.pid)
            flood = self._load.flood(server.port, asked, self._plan.seconds, once=once)
            cpu = cpu_seconds(server.daemon.pid) - own
            others = core_seconds(server.core) - core - cpu
            self.row.disturbed = max(self.row.disturbed, others / (time.monotonic() - begun))
            server.daemon.check()
            right = server.blocked if kind == "blocked" and not server.blocked[0].isdigit() else "NOERROR"
            if not flood.answered or flood.codes.get(right, 0) < flood.answered * (1 - WRONG):
                said = ", ".join(f"{code} {times}" for code, times in flood.codes.items()) or "silence"
                raise ProgramFailed(f"under load {kind} names were answered with {said}")
            runs.append(Cost(cpu / flood.answered * 1e6, flood.rate, cpu / (flood.answered / flood.rate), flood.lost))
        return sorted(runs, key=lambda cost: cost.cpu)[len(runs) // 2]

    def _mix(self) -> tuple[Path, float]:
        """Return questions, half of them blocked, half cached, and half the rate that the server can answer."""
        costs = self.row.costs
        names: Iterable[str] = self._names.blocked
        if self._server.resolves:
            again = chain.from_iterable(self._names.cached for _ in count())
            names = chain.from_iterable(zip(self._names.blocked, again, strict=False))
        rates = [cost.rate for kind, cost in costs.items() if kind != "missed"]
        return self._load.questions(names), statistics.harmonic_mean(rates) / 2

    def _delays(self) -> None:
        if not self._load.has_asker:
            return
        self._say("delays")
        questions, rate = self._mix()
        delays = self._load.delays(self._server.port, questions, rate, self._plan.seconds * self._plan.runs)
        self.row.load = delays.rate
        self.row.percentiles = delays.p50, delays.p99, delays.p999

    def _change(self) -> None:
        server, row = self._server, self.row
        self._say("change")
        server.prepare_change()
        new = self._names.new[:PROBES]
        for name in new:
            if self._answer(self._below(name)) != REAL:
                raise ProgramFailed(f"did not resolve {name} before it was listed")
        if not self._load.has_asker:
            row.change = self._change_list(new)
            return
        questions, rate = self._mix()
        with self._load.asking(server.port, questions, rate) as asker:
            time.sleep(LEAD)
            took = self._change_list(new)
            time.sleep(LEAD)
            delays = asker.end()
        row.change, row.lost, row.late, row.asked = took, delays.lost, delays.late, delays.asked

    def _change_list(self, new: Sequence[str]) -> float:
        """Enforce the grown list, and return the seconds that it took until it was."""
        with ThreadPoolExecutor(1) as pool:
            begun = time.monotonic()
            task = pool.submit(self._server.change)
            took = self._until_blocked(new, begun, task)
            task.result()
        return took
