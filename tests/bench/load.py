"""What asks the servers: single questions, dnsperf for the most that a server does, and the asker for its delays."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from tests.bench.programs import ProgramFailed, find, pinned, run

OUTSTANDING = 200  # questions on their way at once; as many small packets fit into a socket's default buffer
CLIENTS = 4  # sockets that dnsperf asks from
WARM_RATE = 10_000  # questions a second while caches are filled
_FIGURES = {
    "answered": re.compile(r"Queries completed: +(\d+)"),
    "lost": re.compile(r"Queries lost: +(\d+)"),
    "rate": re.compile(r"Queries per second: +([\d.]+)"),
}
_CODES = re.compile(r"Response codes: +(.*)")
_CODE = re.compile(r"(\w+) (\d+)")


@dataclass(frozen=True, slots=True)
class Flood:
    """One run of dnsperf."""

    answered: int
    lost: int
    rate: float  # answers a second
    codes: dict[str, int]  # answers by rcode


@dataclass(frozen=True, slots=True)
class Delays:
    """One run of the asker; percentiles in milliseconds."""

    asked: int
    lost: int
    late: int  # answered after more than 50 ms, or what was asked for
    rate: float  # questions a second
    p50: float
    p99: float
    p999: float
    failed: int  # answered with SERVFAIL


def ask(port: int, name: str, patience: float) -> str | None:
    """Ask for the A record of a name: give the first address, the rcode where there is none, None for silence."""
    query = dns.message.make_query(name, dns.rdatatype.A, use_edns=False)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(patience)
            sock.connect(("127.0.0.1", port))  # so that a port where nobody listens says so at once
            sock.send(query.to_wire())
            answer = dns.message.from_wire(sock.recv(65535))
    except (dns.exception.DNSException, OSError):
        return None
    for rrset in answer.answer:
        if rrset.rdtype == dns.rdatatype.A:
            return str(rrset[0])
    return dns.rcode.to_text(answer.rcode())


def read_figures(said: str) -> Flood:
    """Return the figures of what dnsperf has said; raises ProgramFailed if there are none."""
    found = {key: match[1] for key, pattern in _FIGURES.items() if (match := pattern.search(said))}
    if len(found) < len(_FIGURES):
        raise ProgramFailed(f"dnsperf said no figures: {said[-300:].strip()}")
    line = _CODES.search(said)
    codes = {code: int(times) for code, times in _CODE.findall(line[1] if line else "")}
    return Flood(int(found["answered"]), int(found["lost"]), float(found["rate"]), codes)


class Load:
    """All that asks runs on one core, away from the servers'."""

    def __init__(self, core: int, folder: Path, asker: Path | None) -> None:
        self._core = core
        self._folder = folder
        self._asker = asker
        self._numbers = itertools.count()

    def questions(self, names: Iterable[str]) -> Path:
        """Write the names into a file as dnsperf reads it."""
        path = self._folder / f"questions-{next(self._numbers)}"
        with path.open("w") as out:
            out.writelines(f"{name} A\n" for name in names)
        return path

    def flood(self, port: int, questions: Path, seconds: float, *, once: bool = False, rate: int = 0) -> Flood:
        """Ask as fast as answers come, or `rate` questions a second; with `once` not past the end of the file."""
        command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions), "-l", f"{seconds:g}"]
        command += ["-q", str(OUTSTANDING), "-c", str(CLIENTS), "-T", "1", "-t", "2", "-O", "suppress=timeout"]
        command += ["-n", "1"] if once else []
        command += ["-Q", str(rate)] if rate else []
        return read_figures(run(pinned(self._core, command)))

    @property
    def has_asker(self) -> bool:
        """Whether delays can be measured."""
        return self._asker is not None

    def delays(self, port: int, questions: Path, rate: float, seconds: float) -> Delays:
        """Ask at a steady rate."""
        with self.asking(port, questions, rate, seconds) as asker:
            return asker.end(wait=True)

    @contextlib.contextmanager
    def asking(
        self, port: int, questions: Path, rate: float, seconds: float = 0, late: float = 0.05
    ) -> Iterator[Asker]:
        """Ask at a steady rate until the end of the block at the latest; an answer after `late` seconds is late."""
        assert self._asker is not None
        command = [str(self._asker), str(port), f"{rate:.0f}", f"{seconds:g}", f"{late * 1e6:.0f}"]
        with questions.open("rb") as names:
            process = subprocess.Popen(pinned(self._core, command), stdin=names, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            yield Asker(process)
        finally:
            process.kill()
            process.wait()


class Asker:
    """An asker under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self, *, wait: bool = False) -> Delays:
        """Stop it, or with `wait` let it come to its end; return its figures."""
        if not wait:
            self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate()
        try:
            figures = json.loads(said)
        except ValueError as error:
            raise ProgramFailed(f"the asker ended with {self._process.returncode}") from error
        return Delays(
            asked=figures["asked"],
            lost=figures["asked"] - figures["answered"],
            late=figures["late"],
            rate=figures["asked"] / figures["seconds"],
            p50=figures["p50"] / 1000,
            p99=figures["p99"] / 1000,
            p999=figures["p999"] / 1000,
            failed=figures["failed"],
        )


def compiler() -> str | None:
    """Return the C compiler, or None if there is none."""
    return find("cc")


def compile_c(source: Path, folder: Path) -> Path | None:
    """Compile a program of one file; return its path, or None if there is no C compiler."""
    cc = compiler()
    if cc is None:
        return None
    made = folder / source.stem
    run([cc, "-O2", "-o", str(made), str(source)])
    return made
