"""Compare how blockd, Unbound and BIND bear upstreams that fail: `make bench-hostile`.

Every server gets one core; what asks it, and its upstreams, have another. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.hostile import connections, enduring, trials, worst
from tests.bench.hostile.trials import Bench
from tests.bench.load import Load, compile_c
from tests.bench.measure import cpu_seconds
from tests.bench.names import make
from tests.bench.peers import Named
from tests.bench.programs import Daemon, free_port, pinned
from tests.bench.server import Blockd, Server
from tests.bench.unbound import Unbound
from tests.bench.workshop import add_arguments, workshop

SERVERS: tuple[type[Server], ...] = (Blockd, Unbound, Named)
NAMES = 1000  # on the list: what is measured does not depend on their number
HERE = Path(__file__).parent
NEEDED = {"cc": "gcc", "taskset": "util-linux"}  # programs, and their Debian packages

Figures = dict[str, str]


def main() -> int:
    """Run the trials and print their table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hostile", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="length of one run (8)")
    parser.add_argument("--mixed", type=float, default=60.0, metavar="S", help="length of the mixed load (60)")
    parser.add_argument("--only", metavar="SERVER,...", help=", ".join(server.name for server in SERVERS))
    parser.add_argument("--trials", metavar="TRIAL,...", help=", ".join(TRIALS))
    add_arguments(parser)
    args = parser.parse_args()
    with workshop(args, "hostile", NEEDED) as folder:
        rows = _measure(args, folder)
    print(markdown(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    names = make(folder, NAMES)
    asker, faulty, floor = (
        compile_c(source, folder) for source in (HERE.parent / "asker.c", HERE / "faulty.c", HERE.parent / "floor.c")
    )
    assert faulty is not None
    assert floor is not None
    load = Load(args.load_core, folder, asker)
    bench = Bench(
        args.server_core, load, args.load_core, faulty, folder, names, args.seconds, args.mixed, itertools.count()
    )
    wanted = set(args.only.split(",")) if args.only else {server.name for server in SERVERS}
    chosen = set(args.trials.split(",")) if args.trials else set(TRIALS)
    rows: dict[str, Figures] = {"a bare loop in C: the floor": {"failing µs": f"{_floor(bench, floor):.1f}"}}
    for server in SERVERS:
        if server.name not in wanted or server.missing():
            continue
        figures: Figures = {}
        for name, trial in TRIALS.items():
            if name in chosen:
                print(f"{server.name}: {name}", file=sys.stderr, flush=True)
                figures |= trial(bench, server)
        rows[f"{server.name} {server.version()}"] = figures
    return rows


def _floor(bench: Bench, program: Path) -> float:
    """Return the microseconds that the floor takes for a question at the rate of failing names."""
    port = free_port()
    daemon = Daemon(pinned(bench.core, [str(program), str(port), str(NAMES)]), bench.folder / "floor.log")
    try:
        asked = bench.questions(bench.new_names("floor.example"), trials.FAILING_RATE * bench.seconds)
        begun = cpu_seconds(daemon.pid)
        said = bench.load.delays(port, asked, trials.FAILING_RATE, bench.seconds)
        return (cpu_seconds(daemon.pid) - begun) / said.asked * 1e6
    finally:
        daemon.stop()


def _failing(
    how: str, zone: str, *, gone: bool = False, rate: int = trials.FAILING_RATE
) -> Callable[[Bench, type[Server]], Figures]:
    def trial(bench: Bench, server: type[Server]) -> Figures:
        found = trials.failing(bench, server, zone, gone=gone, rate=rate)
        return {
            f"{how}: lost": f"{found.lost:.2%}",
            f"{how}: p99 ms": f"{found.p99:.2f}",
            f"{how}: failing µs": f"{found.cpu:.0f}",
        }

    return trial


def _repeated(bench: Bench, server: type[Server]) -> Figures:
    silent = trials.repeated(bench, server, "silent.example", lambda seen: seen["silent"])
    failing = trials.repeated(bench, server, "servfail.example", lambda seen: seen["failing"])
    return {"1,000 silent names 5 times: questions": f"{silent:,}", "SERVFAIL names: questions": f"{failing:,}"}


def _slow(bench: Bench, server: type[Server]) -> Figures:
    found = trials.slow(bench, server)
    return {"900 ms: answered": f"{found.answered:.1%}", "900 ms: questions a name": f"{found.questions:.2f}"}


def _dead(bench: Bench, server: type[Server]) -> Figures:
    return {
        "first dead: over 500 ms": f"{trials.dead_first(bench, server, dies=False):.2%}",
        "first dies: over 500 ms": f"{trials.dead_first(bench, server, dies=True):.2%}",
    }


def _tls(bench: Bench, server: type[Server]) -> Figures:
    if not server.speaks_tls:
        return {}
    found = trials.over_tls(bench, server)
    return {
        "TLS: failed": f"{found.failed:.1%}",
        "TLS: connections": str(found.connections),
        "TLS: µs": f"{found.cpu:.0f}",
    }


def _mixed(bench: Bench, server: type[Server]) -> Figures:
    found = enduring.mixed(bench, server)
    return {
        "mixed hostile load: lost": f"{found.lost:.2%}",
        "mixed hostile load: p99 ms": f"{found.p99:.2f}",
        "memory MB after its first tenth": f"{found.early:.1f}",
        "memory MB at its end": f"{found.late:.1f}",
    }


def _faults(bench: Bench, server: type[Server]) -> Figures:
    """Do to blockd's processes and files what can be done to them; its peers are one process and end."""
    if server is not Blockd:
        return {}
    found = enduring.faults(bench)
    figures = {}
    for name, course in found.items():
        if course.told is not None:
            figures[f"{name}: told after s"] = f"{course.told:.1f}"
        figures[f"{name}: blocks hold after s"] = f"{course.blocks:.2f}"
        figures[f"{name}: whole after s"] = f"{course.whole:.1f}"
    return figures


def _connections(bench: Bench, server: type[Server]) -> Figures:
    return {
        "5,000 idle connections of 10 clients: newcomers answered": f"{connections.newcomers(bench, server):.0%}",
        "5,000 connects/s: p99 ms over UDP": f"{connections.connecting(bench, server):.2f}",
    }


def _churn(bench: Bench, server: type[Server]) -> Figures:
    figures = {}
    for who, clients in (("one client", 1), (f"{connections.CHURNERS:,} clients", connections.CHURNERS)):
        churned = connections.churning(bench, server, clients)
        how = f"connect, ask, close {connections.CHURNS:,}/s by {who}"
        figures[f"{how}: p50/p99 ms over UDP"] = f"{churned.p50:.2f} / {churned.p99:.2f}"
        figures[f"{how}: newcomers answered / p50 ms"] = f"{churned.newcomers:.0%} / {churned.newcomers_p50:.1f}"
        figures[f"{how}: CPU µs each"] = f"{churned.cpu:.0f}"
    return figures


def _worst(bench: Bench, server: type[Server]) -> Figures:
    """Measure blockd's own code; what others spend on a packet cannot be told from outside."""
    if server is not Blockd:
        return {}
    folder = bench.folder / "worst"
    folder.mkdir(exist_ok=True)
    answers, questions = worst.answers(), worst.questions(folder)
    figures = {}
    for what, found in (("answer", answers), ("packet of a client", questions)):
        which = max(found, key=found.__getitem__)
        figures[f"worst accepted {what}, CPU (target 200 µs)"] = f"{found[which]:.0f} µs ({which})"
    figures["a cached answer at worst, by client, CPU"] = ", ".join(
        f"{spent:.1f} µs ({what})" for what, spent in worst.clients(folder).items()
    )
    return figures


TRIALS: dict[str, Callable[[Bench, type[Server]], Figures]] = {
    "silent": _failing("silent", "silent.example"),
    "servfail": _failing("SERVFAIL", "servfail.example"),
    "gone": _failing("gone", "missed.example", gone=True),
    "silent-flood": _failing("5,000/s silent", "silent.example", rate=trials.FLOOD_RATE),
    "servfail-flood": _failing("5,000/s SERVFAIL", "servfail.example", rate=trials.FLOOD_RATE),
    "gone-flood": _failing("5,000/s gone", "missed.example", gone=True, rate=trials.FLOOD_RATE),
    "mixed": _mixed,
    "faults": _faults,
    "repeated": _repeated,
    "slow": _slow,
    "dead": _dead,
    "tls": _tls,
    "connections": _connections,
    "churn": _churn,
    "worst": _worst,
}


def markdown(rows: dict[str, Figures]) -> str:
    """Return the table, a line for each figure and a column for each server."""
    labels = dict.fromkeys(label for figures in rows.values() for label in figures)
    lines = [["", *rows], ["---", *["---:"] * len(rows)]]
    lines += [[label, *(figures.get(label, "-") for figures in rows.values())] for label in labels]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
