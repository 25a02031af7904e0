"""Constant load on a daemon while it changes: clients of several kinds, and dnsperf; what is lost, and what is late."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.harness import Daemon
from tests.daemon.load.clients import HOST, LATE, PATIENCE, Plan, arguments
from tests.places import ROOT

RATE = 50  # questions a second that dnsperf asks
MAX_TOLD = 20  # lost questions that are told
ENDS = 30.0  # seconds for clients to say what they found
_LATENCY = re.compile(r"Average Latency \(s\):\s+([0-9.]+) \(min [0-9.]+, max ([0-9.]+)\)")


@dataclass(frozen=True, slots=True)
class Kind:
    """What clients of a kind have seen; times in seconds."""

    answers: int
    late: int  # of these, over LATE
    median: float  # of dnsperf, which does not tell it, the average
    longest: float


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer that took long; for `stalled` of its seconds a server that does nothing did not answer either."""

    kind: str
    at: float  # seconds since 1970
    seconds: float
    stalled: float

    def __str__(self) -> str:
        at = time.strftime("%H:%M:%S", time.gmtime(self.at))
        own = f"{self.seconds * 1e3:.0f} ms, of which the machine was busy for {self.stalled * 1e3:.0f} ms"
        return f"{self.kind} at {at}.{int(self.at % 1 * 1e3):03d}: {own}"


@dataclass(slots=True)
class Figures:
    """What all have seen."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    late: list[LateAnswer] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """How many answers came."""
        return sum(kind.answers for kind in self.kinds.values())

    @property
    def overdue(self) -> list[LateAnswer]:
        """What was late, also without what the machine was busy with."""
        return [one for one in self.late if one.seconds - one.stalled > LATE]

    def lines(self) -> Iterator[str]:
        """Yield a line for each kind of client, and for each answer that was late."""
        for name, kind in self.kinds.items():
            took = f"median {kind.median * 1e3:.2f} ms, longest {kind.longest * 1e3:.1f} ms"
            yield f"{name:8} {kind.answers:9,} answers, {took}, {kind.late} over {LATE * 1e3:.0f} ms"
        late = f"late: {len(self.late)}, also without what the machine was busy with: {len(self.overdue)}"
        yield f"lost: {len(self.lost)}, {late}"
        yield from map(str, self.late)


class Load:
    """Asks a daemon within `with`; afterwards `figures` are known.

    `blocked` is a name that it blocks at all times; what is below `open_below`, if given, upstreams answer by NXDOMAIN.
    With `programs`, dig and dnsperf ask as well, as far as the machine has them.
    """

    def __init__(self, daemon: Daemon, blocked: str, open_below: str = "", *, programs: bool = False) -> None:
        has_dig, has_dnsperf = (programs and shutil.which(name) is not None for name in ("dig", "dnsperf"))
        self.figures = Figures()
        self._plan = Plan(daemon.dns_port, daemon.http_port, blocked, open_below, has_dig)
        self._steady = _Dnsperf(daemon, blocked) if has_dnsperf else None

    def __enter__(self) -> Load:
        self._clients = subprocess.Popen(  # noqa: S603
            arguments(self._plan), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._clients.stdout is not None
        if self._steady is not None:
            self._steady.begin()
        assert self._clients.stdout.readline() == "ready\n", "the clients have not started"
        return self

    def __exit__(self, *_: object) -> None:
        figures = self.figures
        told, _unused = self._clients.communicate(timeout=ENDS + PATIENCE)
        found = json.loads(told)
        for name, kind in found["kinds"].items():
            figures.lost += kind.pop("lost")
            figures.kinds[name] = Kind(**kind)
        figures.late = [LateAnswer(**one) for one in found["late"]]
        if self._steady is not None:
            self._steady.end(figures)


class _Dnsperf:
    """Asks for a name at a steady rate, over UDP."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self._asked = daemon.folder / "asked-by-dnsperf"
        self._port = daemon.dns_port
        self._name = name

    def begin(self) -> None:
        Path(self._asked).write_text(f"{self._name} A\n", encoding="ascii")
        command = ["dnsperf", "-s", HOST, "-p", str(self._port), "-d", str(self._asked), "-Q", str(RATE)]
        command += ["-l", "1000000", "-t", f"{PATIENCE:.0f}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603

    def end(self, figures: Figures) -> None:
        self._process.send_signal(signal.SIGINT)  # has it tell what it counted
        told, _ = self._process.communicate(timeout=ENDS)
        counted = {key: re.search(rf"Queries {key}:\s+(\d+)", told) for key in ("completed", "lost")}
        latency = _LATENCY.search(told)
        assert latency is not None, told
        assert all(counted.values()), told
        done, lost = (int(one[1]) for one in counted.values() if one)
        # It tells no more of what was late than the worst of all.
        figures.kinds["dnsperf"] = Kind(done, int(float(latency[2]) > LATE), float(latency[1]), float(latency[2]))
        figures.lost += [f"dnsperf: {lost} questions"] if lost else []
        codes = re.search(r"Response codes:\s+(.*)", told)
        if codes is None or not re.fullmatch(rf"NOERROR {done} \(100\.00%\)", codes[1].strip()):
            figures.lost.append(f"dnsperf was told {codes[1] if codes else 'nothing'}")
