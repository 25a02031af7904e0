"""Hours of mixed load and faults: `make soak`. It tells what was lost or wrong, how soon all was whole, and the memory.

A daemon blocks, answers from its cache and takes a new list every second or two, while it is attacked from all sides;
meanwhile its processes are killed and stopped, its files damaged, its upstream and its descriptors taken away.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.load import compile_c
from tests.bench.measure import memory_mb
from tests.places import ROOT
from tests.soak.faults import FAULTS, Course, Fault
from tests.soak.stand import Stand

FAULTY = ROOT / "tests" / "bench" / "hostile" / "faulty.c"
WARM_UP = 60.0  # seconds after which memory must be flat
SAMPLE = 5.0  # seconds between two looks at memory
MAY_GROW = 1.05  # of the memory after the warm-up


@dataclass
class Report:
    """What was seen. `failures` says in sentences what should not have been."""

    courses: dict[str, list[Course]] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)  # MB, one for each SAMPLE
    failures: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the tables."""
        lines = ["| fault | times | told s | blocks hold s | whole s (worst) |", "| --- | ---: | ---: | ---: | ---: |"]
        for name, courses in self.courses.items():
            told = [course.told for course in courses if course.told is not None]
            blocks, whole = max(course.blocks for course in courses), max(course.whole for course in courses)
            lines.append(
                f"| {name} | {len(courses)} | {f'{max(told):.1f}' if told else '-'} | {blocks:.2f} | {whole:.1f} |"
            )
        lines += ["", *(f"{key}: {value}" for key, value in self.figures.items())]
        lines += [f"FAILED: {failure}" for failure in self.failures]
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run for some time and print what was seen; return 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=7200.0, metavar="S", help="how long (7200)")
    parser.add_argument("--pause", type=float, default=20.0, metavar="S", help="between two faults, on average (20)")
    parser.add_argument(
        "--rate", type=float, default=400.0, metavar="N", help="questions a second with one right answer (400)"
    )
    parser.add_argument("--faults", metavar="FAULT,...", help="; ".join(fault.name for fault in FAULTS))
    parser.add_argument(
        "--lost", type=float, default=40.0, metavar="S",
        help="when a question is lost (40): what waits for a worker that hangs is answered by the next one",
    )  # fmt: skip
    parser.add_argument("--peaceful", action="store_true", help="without hostile load")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the faults' order (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was seen into a file, too")
    args = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if not args.faults or fault.name in args.faults.split(",")]
    with tempfile.TemporaryDirectory(prefix="blockd-soak-") as folder:
        report = _soak(args, faults, Path(folder))
    print(report.markdown())
    if args.json:
        args.json.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return 1 if report.failures else 0


def _soak(args: argparse.Namespace, faults: Sequence[Fault], folder: Path) -> Report:
    report = Report()
    faulty = compile_c(FAULTY, folder)
    assert faulty is not None, "there is no C compiler"
    chance = random.Random(args.seed)  # noqa: S311 - a soak repeats itself
    made = Stand(folder / "daemon", faulty, max(os.sched_getaffinity(0)), args.rate, args.lost, chance)
    with made.running() as stand:
        daemon = stand.daemon
        ports = (daemon.dns_port, daemon.http_port, daemon.tls_port, daemon.admin_port)
        command = [sys.executable, "-m", "tests.soak.enemies", *map(str, ports)]
        enemies = None if args.peaceful else subprocess.Popen(command, cwd=ROOT)  # noqa: S603
        begun = time.monotonic()
        try:
            order = _in_turn(faults, chance)
            sampled = 0.0
            due = begun + args.pause
            while time.monotonic() - begun < args.seconds:
                if time.monotonic() - sampled > SAMPLE:
                    sampled = time.monotonic()
                    report.memory.append(memory_mb(daemon.pid))
                if faults and time.monotonic() > due:
                    _try(next(order), stand, report)
                    due = time.monotonic() + chance.uniform(0, 2 * args.pause)
                time.sleep(0.1)
            if enemies is not None and enemies.poll() is not None:
                report.failures.append(f"the hostile load has ended with {enemies.returncode}")
        finally:
            if enemies is not None:
                enemies.terminate()
                enemies.wait()
        _judge(stand, report, faults, begun)
    return report


def _in_turn(faults: Sequence[Fault], chance: random.Random) -> Iterator[Fault]:
    """Yield every fault once in a random order, then again, without end."""
    while True:
        yield from chance.sample(faults, len(faults))


def _try(fault: Fault, stand: Stand, report: Report) -> None:
    print(f"{fault.name} …", file=sys.stderr, end=" ", flush=True)
    course = fault.run(stand)
    print(f"told {course.told}, blocks {course.blocks:.2f} s, whole {course.whole:.1f} s", file=sys.stderr, flush=True)
    report.courses.setdefault(fault.name, []).append(course)
    if course.whole == float("inf") or course.blocks == float("inf"):
        report.failures.append(f"{fault.name}: it was never whole again")
    if fault.is_told and course.told == float("inf"):
        report.failures.append(f"{fault.name}: /healthz did not tell")


def _judge(stand: Stand, report: Report, faults: Sequence[Fault], begun: float) -> None:
    stand.steady.finish()
    seen = stand.steady.account(begun)
    allowed = sum(fault.may_lose * len(report.courses.get(fault.name, ())) for fault in faults)
    report.figures = {
        "questions with one right answer": seen.asked,
        "lost": seen.lost,
        "late": seen.late,
        "wrong": seen.wrong,
        "lists enforced": len(stand.enforced_in),
        "seconds to enforcement, median": round(statistics.median(stand.enforced_in or [0.0]), 2),
        "seconds to enforcement, worst": round(max(stand.enforced_in, default=0.0), 2),
    }
    if seen.wrong:
        report.failures.append(f"{seen.wrong} answers were wrong, such as {stand.steady.examples[:3]}")
    if seen.lost > allowed:
        report.failures.append(f"{seen.lost} questions were lost; with what was killed {allowed} may be")
    if stand.never:
        report.failures.append(f"lists {stand.never} were not enforced in time")
    warm = report.memory[int(WARM_UP / SAMPLE) :]
    if len(warm) >= 8:
        quarter = len(warm) // 4
        first, last = statistics.median(warm[:quarter]), statistics.median(warm[-quarter:])
        report.figures["memory MB after a minute, at the end"] = f"{first:.0f}, {last:.0f}"
        if last > first * MAY_GROW:
            report.failures.append(f"memory has grown from {first:.0f} to {last:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
