"""Clients that hold connections over TCP, or make thousands of them, and those who come meanwhile."""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import dns.message
import dns.rdatatype

from tests.bench.hostile.trials import STEADY_RATE, Bench
from tests.bench.hostile.upstreams import faulty
from tests.bench.measure import cpu_seconds
from tests.bench.server import Server, Upstreams

HOLDERS = 10  # clients, each with an address of its own and as many idle connections
HELD = 500
NEWCOMERS = 20
PATIENCE = 2.0  # seconds that a newcomer waits
CONNECTS = 5000  # connections a second, each closed as soon as it is made
AT_ONCE = 100
CHURNS = 3000  # connections a second that ask and are closed, all of one client, or of as many as CHURNERS
CHURNERS = 4000  # in CHURNING_NETWORKS /24s, none of which connects even once a second
CHURNING_NETWORKS = 250


def newcomers(bench: Bench, kind: type[Server]) -> float:
    """Return the share of newcomers that get an answer over TCP while others hold idle connections."""
    with faulty(bench.faulty, bench.load_core) as upstream, bench.serving(kind, Upstreams((upstream.port,))) as server:
        question = dns.message.make_query(bench.names.blocked[0], dns.rdatatype.A).to_wire()
        with holding(server.port):
            answered = sum(_wait(server.port, question, number) < math.inf for number in range(NEWCOMERS))
    return answered / NEWCOMERS


def connecting(bench: Bench, kind: type[Server]) -> float:
    """Return the p99, in milliseconds, of questions for blocked names over UDP beside CONNECTS connections a second."""
    with faulty(bench.faulty, bench.load_core) as upstream, bench.serving(kind, Upstreams((upstream.port,))) as server:
        ends = threading.Event()
        flooding = threading.Thread(target=_connect, args=(server.port, ends), daemon=True)
        flooding.start()
        try:
            asked = bench.questions(itertools.cycle(bench.names.blocked), STEADY_RATE * bench.seconds)
            return bench.load.delays(server.port, asked, STEADY_RATE, bench.seconds).p99
        finally:
            ends.set()
            flooding.join()


@dataclass(frozen=True, slots=True)
class Churned:
    """What connections that ask and are closed leave to others, and what they cost the server."""

    p50: float  # milliseconds, of questions for blocked names over UDP
    p99: float
    newcomers: float  # share of those who are answered over TCP
    newcomers_p50: float  # milliseconds, of these; infinite if fewer than half are answered
    cpu: float  # microseconds for each connection, what is asked over UDP meanwhile included


def churning(bench: Bench, kind: type[Server], clients: int) -> Churned:
    """Let clients connect, ask and close CHURNS times a second beside others.

    Connections from this machine are bounded by no pace of blockd's: all of them are served.
    """
    question = dns.message.make_query(bench.names.blocked[0], dns.rdatatype.A).to_wire()
    with faulty(bench.faulty, bench.load_core) as upstream, bench.serving(kind, Upstreams((upstream.port,))) as server:
        ends = threading.Event()
        made = itertools.count()
        flooding = threading.Thread(target=_churn, args=(server.port, question, clients, ends, made), daemon=True)
        begun = cpu_seconds(server.daemon.pid)
        flooding.start()
        try:
            asked = bench.questions(itertools.cycle(bench.names.blocked), STEADY_RATE * bench.seconds)
            delays = bench.load.delays(server.port, asked, STEADY_RATE, bench.seconds)
            waits = sorted(_wait(server.port, question, number) for number in range(NEWCOMERS))
        finally:
            ends.set()
            flooding.join()
        cpu = (cpu_seconds(server.daemon.pid) - begun) / max(next(made), 1) * 1e6
    answered = sum(wait < math.inf for wait in waits) / NEWCOMERS
    return Churned(delays.p50, delays.p99, answered, waits[NEWCOMERS // 2] * 1e3, cpu)


@contextlib.contextmanager
def holding(port: int) -> Iterator[None]:
    """Hold HELD idle connections of each of HOLDERS clients, as far as the server lets them, until the block's end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        for number in range(HOLDERS):
            for _ in range(HELD):
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                sock.bind((f"127.0.{number + 1}.1", 0))
                if sock.connect_ex(("127.0.0.1", port)) not in (0, errno.EINPROGRESS):
                    sock.close()
            time.sleep(0.1)  # the server has time to accept them
        yield


def _wait(port: int, question: bytes, number: int) -> float:
    """Ask from an address of its own; return the seconds until there is an answer, infinite if it is not in time."""
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        sock.bind((f"127.0.{100 + number}.1", 0))
        begun = time.monotonic()
        try:
            sock.connect(("127.0.0.1", port))
            sock.sendall(len(question).to_bytes(2) + question)
            sock.settimeout(max(begun + PATIENCE - time.monotonic(), 0.001))
            return time.monotonic() - begun if len(sock.recv(65537)) > 2 else math.inf
        except OSError:
            return math.inf


def _connect(port: int, ends: threading.Event) -> None:
    """Connect CONNECTS times a second until told to end."""
    with selectors.DefaultSelector() as selector:
        begun, made = time.monotonic(), 0
        while not ends.is_set():
            owed = int((time.monotonic() - begun) * CONNECTS) - made
            for _ in range(min(owed, AT_ONCE)):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
                selector.register(sock, selectors.EVENT_WRITE)
            made += max(owed, 0)  # what could not be made in time is not made up for
            for key, _ in selector.select(0.001):
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def _churn(port: int, question: bytes, clients: int, ends: threading.Event, count: Iterator[int]) -> None:
    """Connect, ask and close CHURNS times a second until told to end, from as many addresses as there are clients.

    `count` goes on with each connection.
    """
    message = len(question).to_bytes(2) + question
    begun, made = time.monotonic(), 0
    while not ends.wait(0.001):
        owed = int((time.monotonic() - begun) * CHURNS) - made
        for number in range(made, made + min(owed, AT_ONCE)):
            with socket.socket() as sock, contextlib.suppress(OSError):  # loopback connects at once, or is full
                sock.setblocking(False)
                network, host = number % clients % CHURNING_NETWORKS, number % clients // CHURNING_NETWORKS
                sock.bind((f"127.1.{network}.{1 + host}", 0))
                next(count)
                sock.connect_ex(("127.0.0.1", port))
                sock.send(message)
        made += max(owed, 0)  # what could not be made in time is not made up for
