"""Compare blockd with its peers over connections: TCP, TLS and HTTPS. `make bench` runs it behind the one over UDP.

Every server gets one core and one thread, the same list and upstream; what asks it has another core, and asks over 100
established connections. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path

from tests.bench import upstream
from tests.bench.load import WARM_RATE, Load, ask
from tests.bench.measure import cpu_seconds, memory_mb
from tests.bench.names import Names, make, missed
from tests.bench.programs import ProgramFailed
from tests.bench.server import Place, Upstreams
from tests.bench.streams.load import StreamLoad
from tests.bench.streams.servers import SERVERS, TRANSPORTS, StreamServer
from tests.bench.trial import ENFORCE_TIME, MISSES, PROBE_PATIENCE, PROBE_PAUSE, WRONG
from tests.bench.workshop import add_arguments, workshop

NEEDED = {"dnsperf": "dnsperf", "knotd": "knot", "taskset": "util-linux"}  # programs, and their Debian packages
QUICK_NAMES = 2_000
VISITS = 2_000  # handshakes of a kind that are made
IDLE = 1_000  # connections that are left idle for the memory that they take
MISS_SHARE = 0.3  # of the most misses that the benchmark over UDP has at hand: connections cost more
_LEGEND = (
    "µs: CPU time of the server for each answer, over 100 established connections. ms: the delay at half of the rate",
    "that it can answer. Handshakes: visits with one question that one core of the server could serve in a second, by",
    "its CPU time. kB: what an idle connection over TLS takes.",
)


@dataclass
class StreamRow:
    """One server over one transport; what was not measured is absent."""

    server: str
    version: str
    transport: str
    costs: dict[str, float] = field(default_factory=dict)  # µs of CPU for each answer, by kind of name
    rates: dict[str, float] = field(default_factory=dict)  # answers a second
    percentiles: Sequence[float] = ()  # p50, p99, p99.9 in milliseconds, at half of the rate that it can answer
    handshakes: dict[str, float] = field(default_factory=dict)  # a second and core: full, resumed
    resumed: float | None = None  # the share of those that were to be resumed
    memory: float | None = None  # 10^3 octets for an idle connection
    problem: str = ""


class StreamTrial:
    """Measures one server."""

    def __init__(self, server: StreamServer, names: Names, folder: Path, args: argparse.Namespace) -> None:
        self._server = server
        self._names = names
        self._files = Load(args.load_core, folder, None)
        self._load = StreamLoad(args.load_core)
        self._args = args
        self._runs = count()
        self.rows: list[StreamRow] = []

    def run(self) -> list[StreamRow]:
        """Do it all. A transport over which it does not answer rightly gets a problem in its row."""
        try:
            self._start()
            for transport in self._args.transports:
                row = StreamRow(self._server.name, self._server.version(), transport)
                self.rows.append(row)
                try:
                    self._measure(row)
                except ProgramFailed as failed:
                    row.problem = str(failed)
        finally:
            self._server.stop()
        return self.rows

    def _start(self) -> None:
        server = self._server
        server.prepare()
        server.build()
        server.start()
        deadline = time.monotonic() + ENFORCE_TIME
        while ask(server.port, self._names.blocked[0], PROBE_PATIENCE) != server.blocked:
            server.daemon.check()
            if time.monotonic() > deadline:
                raise ProgramFailed(f"did not block within {ENFORCE_TIME:.0f} s: {server.daemon.tail()}")
            time.sleep(PROBE_PAUSE)

    def _measure(self, row: StreamRow) -> None:
        names, seconds = self._names, self._args.seconds
        blocked, cached = (self._files.questions(some) for some in (names.blocked, names.cached))
        self._files.flood(self._server.port, cached, ENFORCE_TIME, once=True, rate=WARM_RATE)
        self._cost(row, "blocked", lambda: blocked)
        self._cost(row, "cached", lambda: cached)
        amount = int(MISSES * seconds * MISS_SHARE)
        self._cost(row, "missed", lambda: self._files.questions(missed(amount, next(self._runs))), once=True)
        self._say(row, "delays")
        rate = statistics.harmonic_mean([row.rates["blocked"], row.rates["cached"]]) / 2
        again = chain.from_iterable(names.cached for _ in count())
        mixed = self._files.questions(chain.from_iterable(zip(names.blocked, again, strict=False)))
        port = self._server.port_of(row.transport)
        row.percentiles = self._load.delays(port, row.transport, mixed, rate, seconds * self._args.runs)
        if row.transport == "dot":
            self._handshakes(row)
            self._idle(row)

    def _cost(self, row: StreamRow, kind: str, questions: Callable[[], Path], *, once: bool = False) -> None:
        server, port = self._server, self._server.port_of(row.transport)
        runs = []
        for number in range(self._args.runs):
            self._say(row, f"{kind} {number + 1}/{self._args.runs}")
            asked, own = questions(), cpu_seconds(server.daemon.pid)
            flood = self._load.flood(port, row.transport, asked, self._args.seconds, once=once)
            cpu = cpu_seconds(server.daemon.pid) - own
            server.daemon.check()
            right = server.blocked if kind == "blocked" and not server.blocked[0].isdigit() else "NOERROR"
            if not flood.answered or flood.codes.get(right, 0) < flood.answered * (1 - WRONG):
                said = ", ".join(f"{code} {times}" for code, times in flood.codes.items()) or "silence"
                raise ProgramFailed(f"over {row.transport}, {kind} names were answered with {said}")
            runs.append((cpu / flood.answered * 1e6, flood.rate))
        row.costs[kind], row.rates[kind] = sorted(runs)[len(runs) // 2]

    def _handshakes(self, row: StreamRow) -> None:
        server, port, name = self._server, self._server.port_of("dot"), self._names.blocked[0]
        for kind in ("full", "resumed"):
            runs = []
            for number in range(self._args.runs):
                self._say(row, f"{kind} handshakes {number + 1}/{self._args.runs}")
                own = cpu_seconds(server.daemon.pid)
                done = self._load.visit(port, kind, self._args.visits, name)
                cpu = cpu_seconds(server.daemon.pid) - own
                runs.append(done.visits / cpu)
                if kind == "resumed":
                    row.resumed = done.resumed / done.visits
            row.handshakes[kind] = statistics.median(runs)

    def _idle(self, row: StreamRow) -> None:
        self._say(row, "idle connections")
        before = memory_mb(self._server.daemon.pid)
        with self._load.idle(self._server.port_of("dot"), self._args.idle, self._names.blocked[0]):
            row.memory = (memory_mb(self._server.daemon.pid) - before) * 1e3 / self._args.idle

    def _say(self, row: StreamRow, step: str) -> None:
        print(f"{row.server} over {row.transport}: {step}", file=sys.stderr, flush=True)


def markdown(rows: Iterable[StreamRow], skipped: dict[str, str]) -> str:
    """Return the table, and below it what is to be known of it."""
    rows = list(rows)
    head = ["server", "transport", *(f"{kind} µs" for kind in ("blocked", "cached", "missed"))]
    head += ["p50 / p99 / p99.9 ms", "handshakes/s full", "resumed", "kB idle"]
    out = [_line(head), _line(["---", "---", *["---:"] * (len(head) - 2)])]
    out += [_line(_cells(row)) for row in rows]
    out += ["", *_LEGEND, ""]
    out += [f"* {row.server} {row.version}, {row.transport}, is broken: {row.problem}" for row in rows if row.problem]
    out += [
        f"* {row.server} resumed {row.resumed:.0%} of the sessions that it was to resume."
        for row in rows
        if row.resumed is not None and row.resumed < 1
    ]
    out += [f"* {name} is skipped: this machine has no {lacks}." for name, lacks in skipped.items()]
    return "\n".join(out) + "\n"


def _cells(row: StreamRow) -> list[str]:
    def figure(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return [
        row.server,
        row.transport,
        *(figure(row.costs.get(kind), ".1f") for kind in ("blocked", "cached", "missed")),
        " / ".join(f"{value:.2f}" for value in row.percentiles) or "-",
        *(figure(row.handshakes.get(kind), ",.0f") for kind in ("full", "resumed")),
        figure(row.memory, ".1f"),
    ]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.streams", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--names", type=int, default=100_000, metavar="N", help="names on the list (100000)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="length of one run (5)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs whose median counts (3)")
    parser.add_argument("--only", metavar="SERVER,...", help=", ".join(server.name for server in SERVERS))
    parser.add_argument("--transports", default=",".join(TRANSPORTS), metavar="TRANSPORT,...", help="tcp, dot, doh")
    parser.add_argument("--quick", action="store_true", help="one run of a second each, with a list of 2,000 names")
    add_arguments(parser)
    args = parser.parse_args()
    args.visits, args.idle = VISITS, IDLE
    if args.quick:
        args.names, args.seconds, args.runs, args.visits, args.idle = QUICK_NAMES, 1.0, 1, 200, 100
    args.transports = args.transports.split(",")
    known = {server.name for server in SERVERS}
    args.only = set(args.only.split(",")) if args.only else known
    if args.only - known or set(args.transports) - set(TRANSPORTS):
        parser.error("there is no such server or transport")
    return args


def main() -> int:
    """Run the benchmark and print its table; return the exit code."""
    args = _arguments()
    rows: list[StreamRow] = []
    skipped: dict[str, str] = {}
    with workshop(args, "bench", NEEDED) as folder:
        names = make(folder, args.names)
        with upstream.upstream(folder / "upstream", args.load_core) as port:
            for kind in SERVERS:
                if kind.name not in args.only:
                    continue
                if lacking := kind.missing():
                    skipped[kind.name] = ", ".join(lacking)
                    continue
                own = folder / ("server-" + kind.name.replace(" ", "-"))
                own.mkdir()
                server = kind(Place(own, args.server_core, Upstreams((port,)), names))
                rows += StreamTrial(server, names, own, args).run()
                if not args.keep:
                    shutil.rmtree(own)
    print(markdown(rows, skipped), end="")
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return 0 if not any(row.problem for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
