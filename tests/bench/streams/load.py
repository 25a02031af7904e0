"""What asks over connections: dnsperf, over HTTPS h2load, and `visits` for handshakes and idle connections."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import dns.message

from tests.bench.load import Flood, read_figures
from tests.bench.programs import ProgramFailed, pinned, run
from tests.bench.streams.servers import PATH

CONNECTIONS = 100  # established ones, over which all is asked
OUTSTANDING = 200  # questions on their way at once, over all of them
FEW = 20  # questions by which it is seen what is answered
_HTTP_RATE = re.compile(r"^finished in [^,]+, ([\d.]+) req/s", re.MULTILINE)
_HTTP_ANSWERED = re.compile(r"^status codes: (\d+) 2xx", re.MULTILINE)
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
        """Ask as fast as answers come; with `once` not past the end of the file.

        Over HTTPS dnsperf waits 100 ms whenever an answer comes before it has begun to wait for it. So h2load asks what
        may be asked again; which answers come is seen by a few that dnsperf asks, as it does all that is asked once.
        """
        if transport == "doh" and not once:
            return self._flood_by_http(port, questions, seconds)
        said = run(pinned(self._core, [*_dnsperf(port, transport, questions, seconds), *(["-n", "1"] if once else [])]))
        return read_figures(said)

    def _flood_by_http(self, port: int, questions: Path, seconds: float) -> Flood:
        few = questions.with_suffix(".few")
        few.write_text("".join(f"{line}\n" for line in islice(_lines(questions), FEW)), encoding="ascii")
        sample = self.flood(port, "doh", few, seconds, once=True)
        uris = questions.with_suffix(".uris")
        uris.write_text("".join(f"{_uri(port, line)}\n" for line in _lines(questions)), encoding="ascii")
        command = ["h2load", "-i", str(uris), "-D", f"{max(1, round(seconds))}", "-c", str(CONNECTIONS), "-m", "2"]
        said = run(pinned(self._core, [*command, "-t", "1"]))
        rate, answered = _HTTP_RATE.search(said), _HTTP_ANSWERED.search(said)
        if rate is None or answered is None:
            raise ProgramFailed(f"h2load told no figures: {said[-200:]}")
        done = int(answered[1])
        codes = {code: round(done * count / sample.answered) for code, count in sample.codes.items()}
        return Flood(done, sample.lost, float(rate[1]), codes)

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


def _lines(questions: Path) -> Iterator[str]:
    with questions.open(encoding="ascii") as file:
        for line in file:
            yield line.rstrip()


def _uri(port: int, line: str) -> str:
    """Return the URI of a question of one of dnsperf's lines (RFC 8484 section 4.1.1)."""
    name, kind = line.split()
    message = dns.message.make_query(name, kind, id=0)
    octets = base64.urlsafe_b64encode(message.to_wire()).rstrip(b"=").decode()
    return f"https://127.0.0.1:{port}{PATH}?dns={octets}"


def _visits(port: int, kind: str, count: int, name: str) -> list[str]:
    return [sys.executable, "-m", "tests.bench.streams.visits", str(port), kind, str(count), name]


def _dnsperf(port: int, transport: str, questions: Path, seconds: float) -> list[str]:
    command = ["dnsperf", "-m", transport, "-s", "127.0.0.1", "-p", str(port), "-d", str(questions)]
    command += ["-l", f"{seconds:g}", "-q", str(OUTSTANDING), "-c", str(CONNECTIONS), "-T", "1", "-t", "2"]
    command += ["-O", "suppress=timeout"]
    return [*command, "-O", f"doh-uri=https://localhost{PATH}"] if transport == "doh" else command
