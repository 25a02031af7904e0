"""Clients that go on asking while a daemon changes: over UDP, over connections that stay and that do not, and HTTP.

Each asks one question after the other, and counts what got no answer, and how long answers took. A connection that
stays may be closed by the daemon as long as no question is on its way.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import dns.message
import dns.rcode

PATIENCE = 3.0  # seconds after which a question counts as lost
PAUSE = 0.002  # seconds between two questions of one client
PAUSE_OF_PAGE = 0.2  # seconds between two visits: the page's port has a pace for each address
LATE = 0.05  # seconds above which an answer counts as late
MAX_TOLD = 20  # lost questions that are told


@dataclass
class Figures:
    """What clients have seen: the seconds that each answer took, and what got none, or a wrong one."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """How many answers came."""
        return sum(map(len, self.seconds.values()))

    def lines(self) -> Iterator[str]:
        """Yield a line for each kind of client."""
        for kind, found in self.seconds.items():
            ordered = sorted(found) or [0.0]
            middle, most, late = ordered[len(ordered) // 2], ordered[-1], sum(one > LATE for one in ordered)
            took = f"median {middle * 1e3:.2f} ms, longest {most * 1e3:.1f} ms"
            yield f"{kind:5} {len(found):7,} answers, {took}, {late} over {LATE * 1e3:.0f} ms"


class Load:
    """Asks for `blocked`, which a list has at all times, and for names below `open_below`, within `with`."""

    def __init__(self, port: int, page: int, blocked: str, open_below: str) -> None:
        self.figures = Figures()
        self._port = port
        self._page = page
        self._blocked = blocked
        self._open_below = open_below
        self._stop = threading.Event()
        self._number = 0
        kinds: dict[str, Callable[[], None]] = {
            "udp": self._udp,
            "fwd": self._forwarded,
            "tcp": self._tcp,
            "stay": self._staying,
            "http": self._http,
        }
        self._threads = [threading.Thread(target=self._run, args=(kind, ask)) for kind, ask in kinds.items()]
        self._kept: socket.socket | None = None

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._kept is not None:
            self._kept.close()

    def _run(self, kind: str, ask: Callable[[], None]) -> None:
        found = self.figures.seconds[kind] = []
        while not self._stop.is_set():
            begun = time.perf_counter()
            try:
                ask()
                found.append(time.perf_counter() - begun)
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.figures.lost.append(f"{kind} at {time.time():.3f}: {error!r}"[:200])
            self._stop.wait(PAUSE_OF_PAGE if kind == "http" else PAUSE)

    def _udp(self) -> None:
        self._ask_datagram(self._blocked, dns.rcode.NOERROR)

    def _forwarded(self) -> None:
        self._number += 1
        self._ask_datagram(f"n{self._number}.{self._open_below}", dns.rcode.NXDOMAIN)

    def _ask_datagram(self, name: str, rcode: int) -> None:
        query = dns.message.make_query(name, "A")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", self._port))
            sock.send(query.to_wire())
            _check(sock.recv(4096), query.id, rcode)

    def _tcp(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as sock:
            self._ask_stream(sock)

    def _staying(self) -> None:
        """Ask on a connection that stays, and on a new one if the daemon has closed it meanwhile."""
        if self._kept is not None and _is_closed(self._kept):
            self._kept.close()
            self._kept = None
        if self._kept is None:
            self._kept = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
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
        query = dns.message.make_query(self._blocked, "A")
        wire = query.to_wire()
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        _check(_exactly(sock, struct.unpack("!H", _exactly(sock, 2))[0]), query.id, dns.rcode.NOERROR)

    def _http(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._page, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": self._blocked})
            with connection.getresponse() as response:
                response.read()
                if response.status != 451:
                    raise ValueError(f"status {response.status}")


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


def _check(answer: bytes, asked: int, rcode: int) -> None:
    message = dns.message.from_wire(answer)
    if message.id != asked or message.rcode() != rcode:
        raise ValueError(f"the answer is {dns.rcode.to_text(message.rcode())}")
