"""What asks over connections: dnsperf for costs and delays, `visits` for handshakes and idle connections."""

from __future__ import annotations

import contextlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Flood, read_figures
from tests.bench.programs import ProgramFailed, pinned, run
from tests.bench.streams.servers import PATH

CONNECTIONS = 100  # established ones, over which all is asked
OUTSTANDING = 200  # questions on their way at once, over all of them
_DELAY = re.compile(r"^> [A-Z]+ \S+ A (\d+\.\d+)$", re.MULTILINE)
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Visits:
    """One run of `visits`."""

    visits: int
    resumed: int


class StreamLoad:
    """All that asks runs on one core, away from the server's."""

    def __init__(self, core: int) -> None:
        self._core = core

    def flood(self, port: int, transport: str, questions: Path, seconds: float, *, once: bool = False) -> Flood:
        """Ask as fast as answers come; with `once` not past the end of the file."""
        said = run(pinned(self._core, [*_dnsperf(port, transport, questions, seconds), *(["-n", "1"] if once else [])]))
        return read_figures(said)

    def delays(self, port: int, transport: str, questions: Path, rate: float, seconds: float) -> Sequence[float]:
        """Ask at a steady rate; return p50, p99 and p99.9 of the delays in milliseconds."""
        command = [*_dnsperf(port, transport, questions, seconds), "-Q", str(int(rate)), "-v"]
        delays = sorted(float(delay) * 1000 for delay in _DELAY.findall(run(pinned(self._core, command))))
        if not delays:
            raise ProgramFailed("dnsperf told no delays")
        return [delays[min(math.ceil(share * len(delays)), len(delays)) - 1] for share in (0.5, 0.99, 0.999)]

    def visit(self, port: int, kind: str, count: int, name: str) -> Visits:
        """Make so many visits, `full` or `resumed`."""
        told = json.loads(run(pinned(self._core, _visits(port, kind, count, name)), cwd=ROOT))
        return Visits(told["visits"], told["resumed"])

    @contextlib.contextmanager
    def idle(self, port: int, count: int, name: str) -> Iterator[None]:
        """Hold so many connections open during the block."""
        command = pinned(self._core, _visits(port, "idle", count, name))
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise ProgramFailed(f"{count} idle connections could not be made")
            yield
        finally:
            process.communicate("\n")


def _visits(port: int, kind: str, count: int, name: str) -> list[str]:
    return [sys.executable, "-m", "tests.bench.streams.visits", str(port), kind, str(count), name]


def _dnsperf(port: int, transport: str, questions: Path, seconds: float) -> list[str]:
    command = ["dnsperf", "-m", transport, "-s", "127.0.0.1", "-p", str(port), "-d", str(questions)]
    command += ["-l", f"{seconds:g}", "-q", str(OUTSTANDING), "-c", str(CONNECTIONS), "-T", "1", "-t", "2"]
    command += ["-O", "suppress=timeout"]
    return [*command, "-O", f"doh-uri=https://localhost{PATH}"] if transport == "doh" else command
