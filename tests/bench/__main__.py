"""Compare blockd with the servers that it would replace, on this machine: `make bench`, or `python -m tests.bench`.

Every server gets one core, the same list and the same upstream; all that asks has another core. Servers that are not
installed are named and skipped (tests/bench/install-debian.sh installs them). A full run with a million names takes
about half an hour; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

from blockd.resolver import engine_name
from tests.bench import upstream
from tests.bench.load import Load, compile_c
from tests.bench.names import GROWTH, make
from tests.bench.peers import PEERS
from tests.bench.server import Blockd, Floor, Place, Server, Upstreams, said_version
from tests.bench.table import Result
from tests.bench.trial import Plan, Trial
from tests.bench.workshop import add_arguments, workshop

SERVERS: tuple[type[Server], ...] = (Floor, Blockd, *PEERS)
NEEDED = {"dnsperf": "dnsperf", "knotd": "knot", "taskset": "util-linux"}  # programs, and their Debian packages
QUICK_NAMES = 10_000
HERE = Path(__file__).parent


def main() -> int:
    """Run the benchmark and print its table; return the exit code."""
    args = _arguments()
    with workshop(args, "bench", NEEDED) as folder:
        result = _measure(args, folder)
    print(result.markdown(), end="")
    if args.json:
        args.json.write_text(result.json(), encoding="utf-8")
    return 0 if all(not row.problem for row in result.rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--names", type=int, default=1_000_000, metavar="N", help="names on the list (1000000)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="length of one run (5)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs whose median counts (3)")
    parser.add_argument("--only", metavar="SERVER,...", help=", ".join(server.name for server in SERVERS))
    parser.add_argument("--quick", action="store_true", help="one run of a second each, with a list of 10,000 names")
    add_arguments(parser)
    args = parser.parse_args()
    if args.quick:
        args.names, args.seconds, args.runs = QUICK_NAMES, 1.0, 1
    known = {server.name for server in SERVERS}
    args.only = set(args.only.split(",")) if args.only else known
    if args.only - known:
        parser.error(f"no such server: {', '.join(sorted(args.only - known))}")
    return args


def _measure(args: argparse.Namespace, folder: Path) -> Result:
    _say(f"a list of {args.names:,} names")
    names = make(folder, args.names)
    asker, Floor.program = compile_c(HERE / "asker.c", folder), compile_c(HERE / "floor.c", folder)
    rows, skipped = [], {}
    with upstream.upstream(folder / "upstream", args.load_core) as port:
        for server in SERVERS:
            if server.name not in args.only:
                continue
            if lacking := server.missing():
                skipped[server.name] = ", ".join(lacking)
                continue
            own = folder / ("server-" + server.name.replace(" ", "-"))
            own.mkdir()
            place = Place(own, args.server_core, Upstreams((port,)), names)
            trial = Trial(
                server(place),
                names,
                Load(args.load_core, own, asker),
                Plan(args.seconds, args.runs),
                lambda step, name=server.name: _say(f"{name}: {step}"),  # type: ignore[misc]
            )
            trial.run()
            rows.append(trial.row)
            if not args.keep:
                shutil.rmtree(own)  # ten million names take gigabytes in some forms
    return Result(_machine(args, names.source), rows, skipped)


def _machine(args: argparse.Namespace, source: str) -> dict[str, str]:
    """Return what the figures depend on."""
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores; "
        f"servers on core {args.server_core}, load and upstream on core {args.load_core}",
        "system": f"{platform.system()} {platform.release()}",
        "receive buffers": f"{Path('/proc/sys/net/core/rmem_default').read_text().strip()} octets; "
        "4 MB where a server can set it (floor, blockd, unbound)",
        "list": f"{args.names:,} names of {source}; the change adds {GROWTH:,}",
        "runs": f"{args.runs} of {args.seconds:g} s, the median counts",
        "blockd": f"{engine_name()} engine, Python {platform.python_version()}",
        "load": f"dnsperf {said_version('dnsperf', '-h')}; upstream knotd {upstream.version()}",
    }


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
