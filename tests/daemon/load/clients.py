"""Clients that go on asking one question after the other: over UDP, connections that stay or do not, HTTP, and dig.

`python -m tests.daemon.load.clients` is the process that they share, so that nothing which a test does is behind their
figures: it takes a `Plan` as JSON, says "ready", and at the end of its standard input says what was found.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import dns.message
import dns.rcode

from tests.daemon.load.witness import Witness

PATIENCE = 3.0  # seconds after which a question counts as lost
PAUSE = 0.01  # seconds between two questions of one client: the load is to show delays, not to make them
PAUSE_OF_PAGE = 0.2  # seconds between two visits: the page's port has a pace for each address
PAUSE_OF_DIG = 0.2  # seconds between two runs: each is a process
LATE = 0.05  # seconds above which an answer counts as late
HOST = "127.0.0.1"
_SLOW = re.compile(rb";; Query time: (\d+) msec")
_SWITCH = 0.0005  # seconds for which one client may compute while others have an answer to take

# What one question has taken, in seconds; raises what is in `LOSSES` if there is no answer, or a wrong one.
Ask = Callable[[], float]
LOSSES = (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked where: a name that is blocked at all times, and new names below another that are not there."""

    dns: int  # the port
    page: int  # the port of the block page
    blocked: str
    open_below: str = ""  # empty: nothing that upstreams answer is asked
    dig: bool = False


class Clients:
    """Clients by a plan, each a thread, from `begin` to `end`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stop = threading.Event()
        self._found: dict[str, dict[str, Any]] = {}
        self._late: list[tuple[str, float, float]] = []
        self._number = 0
        self._kept: socket.socket | None = None
        self._blocked = dns.message.make_query(plan.blocked, "A").to_wire()
        asks: dict[str, tuple[Ask, float]] = {
            "udp": (lambda: self._ask_datagram(self._blocked, dns.rcode.NOERROR), PAUSE),
            "tcp": (_timed(self._tcp), PAUSE),
            "stay": (_timed(self._staying), PAUSE),
            "http": (_timed(self._http), PAUSE_OF_PAGE),
        }
        if plan.open_below:
            asks["fwd"] = self._forwarded, PAUSE
        if plan.dig:
            asks["dig"] = self._dig, PAUSE_OF_DIG
        self._threads = [threading.Thread(target=self._run, args=(kind, *ask)) for kind, ask in asks.items()]

    def begin(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def end(self, witness: Witness) -> dict[str, Any]:
        """Ask no more; return the figures of each kind, and of what was late how much of that the machine was."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._kept is not None:
            self._kept.close()
        late = [
            {"kind": kind, "at": begun, "seconds": seconds, "stalled": witness.stalled(begun, begun + seconds)}
            for kind, begun, seconds in self._late
        ]
        return {"kinds": self._found, "late": late}

    def _run(self, kind: str, ask: Ask, pause: float) -> None:
        seconds: list[float] = []
        lost: list[str] = []
        while not self._stop.is_set():
            begun = time.time()
            try:
                took = ask()
                seconds.append(round(took, 6))
                if took > LATE:
                    self._late.append((kind, begun, took))
                    _say(f"{kind} at {_clock(begun)} took {took * 1e3:.0f} ms")
            except LOSSES as error:
                lost.append(f"{kind} at {_clock(begun)}: {error!r}"[:200])
                _say(f"lost: {lost[-1]}")
            self._stop.wait(pause)
        seconds.sort()
        self._found[kind] = {
            "answers": len(seconds), "lost": lost, "late": sum(one > LATE for one in seconds),
            "median": seconds[len(seconds) // 2] if seconds else 0.0, "longest": seconds[-1] if seconds else 0.0,
        }  # fmt: skip

    def _forwarded(self) -> float:
        self._number += 1
        query = dns.message.make_query(f"n{self._number}.{self._plan.open_below}", "A").to_wire()
        return self._ask_datagram(query, dns.rcode.NXDOMAIN)

    def _ask_datagram(self, query: bytes, rcode: int) -> float:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect((HOST, self._plan.dns))
            begun = time.perf_counter()
            sock.send(query)
            answer = sock.recv(4096)
            took = time.perf_counter() - begun
        _check(answer, query, rcode)
        return took

    def _tcp(self) -> None:
        with socket.create_connection((HOST, self._plan.dns), PATIENCE) as sock:
            self._ask_stream(sock)

    def _staying(self) -> None:
        """Ask on a connection that stays, and on a new one if the daemon has closed it meanwhile."""
        if self._kept is not None and _is_closed(self._kept):
            self._kept.close()
            self._kept = None
        if self._kept is None:
            self._kept = socket.create_connection((HOST, self._plan.dns), PATIENCE)
        try:
            self._ask_stream(self._kept)
        except OSError as error:
            kept, self._kept = self._kept, None
            kept.close()
            if not isinstance(error, ConnectionResetError | BrokenPipeError):
                raise
            # The close has crossed the question, as it always may (RFC 7766 section 6.2.4): it is asked once more.
            self._tcp()

    def _ask_stream(self, sock: socket.socket) -> None:
        sock.sendall(struct.pack("!H", len(self._blocked)) + self._blocked)
        _check(_exactly(sock, struct.unpack("!H", _exactly(sock, 2))[0]), self._blocked, dns.rcode.NOERROR)

    def _http(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._plan.page, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": self._plan.blocked})
            with connection.getresponse() as response:
                response.read()
                if response.status != 451:
                    raise ValueError(f"status {response.status}")

    def _dig(self) -> float:
        """Ask by dig, which tries once; its own time is what counts, in whole milliseconds."""
        command = [
            "dig",
            f"@{HOST}",
            "-p",
            str(self._plan.dns),
            "+tries=1",
            f"+time={PATIENCE:.0f}",
            self._plan.blocked,
        ]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE + 10, check=False)  # noqa: S603
        slow = _SLOW.search(done.stdout)
        if done.returncode != 0 or b"status: NOERROR" not in done.stdout or slow is None:
            raise ValueError(f"dig ended with {done.returncode}: {done.stdout[-100:]!r}")
        return int(slow[1]) / 1e3


def _say(what: str) -> None:
    """Tell at once what is known as a whole in the end."""
    print(what, file=sys.stderr, flush=True)


def _clock(at: float) -> str:
    return f"{time.strftime('%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e3):03d}"


def _timed(ask: Callable[[], None]) -> Ask:
    def timed() -> float:
        begun = time.perf_counter()
        ask()
        return time.perf_counter() - begun

    return timed


def _is_closed(sock: socket.socket) -> bool:
    """Return whether the other side has closed a connection on which nothing is expected."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(PATIENCE)


def _exactly(sock: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := sock.recv(size - len(found))):
            raise ConnectionResetError("the connection was closed before the answer")
        found += more
    return found


def _check(answer: bytes, query: bytes, rcode: int) -> None:
    if answer[:2] != query[:2] or len(answer) < len(query) or answer[3] & 15 != rcode:
        raise ValueError(f"the answer is {answer[:12].hex()} to {query[:12].hex()}")


def main() -> None:
    """Ask by the plan that is the first argument, until standard input ends."""
    sys.setswitchinterval(_SWITCH)
    plan = Plan(**json.loads(sys.argv[1]))
    with Witness() as witness:
        clients = Clients(plan)
        clients.begin()
        print("ready", flush=True)
        sys.stdin.read()
        found = clients.end(witness)
    print(json.dumps(found))


def arguments(plan: Plan) -> list[str]:
    """Return the command that asks by a plan."""
    return [sys.executable, "-m", __spec__.name, json.dumps(asdict(plan))]


if __name__ == "__main__":
    main()
