"""Whoever opens streams of events without end, and reads none, takes no more than is allowed, and nobody's place."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.web.admin_serving import ADMIN_BOUNDS
from tests.daemon.figures.test_running import next_event
from tests.daemon.harness import Daemon, request, until
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

STREAMS = 2 * ADMIN_BOUNDS.all
MEMORY = 48 << 20  # octets: each of the streams that are allowed has its event and its buffers, all share the events


@pytest.fixture
def daemon(tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    with Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address) as running:
        yield running


def resident(pid: int) -> int:
    """Return the octets of a process's memory that are in use."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) << 10


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_floods_of_streams_that_nobody_reads_leave_room_and_a_place_for_others(daemon: Daemon) -> None:
    *greedy, other = (daemon.add_token(name, "read") for name in ("one", "two", "three"))
    control = daemon.control_pid()
    memory, files = resident(control), descriptors(control)
    asked = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n"
    stop = threading.Event()
    opened: list[socket.socket] = []

    def flood() -> None:
        while not stop.is_set() and len(opened) < STREAMS:
            with contextlib.suppress(OSError):
                sock = socket.create_connection(("127.0.0.1", daemon.admin_port), 5)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                opened.append(sock)
                sock.sendall(asked.format(greedy[len(opened) % 2]).encode())

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        until(lambda: len(opened) >= STREAMS, "all streams were asked for")
        headers = {"Authorization": f"Bearer {other}"}

        def is_served() -> bool:
            with request("GET", daemon.admin_port, "/api/v1/events", headers) as response:
                return response.status == 200 and any(next_event(response)[0] for _ in range(3))

        until(is_served, "another caller is served")
        for number in range(100):
            daemon.ask(f"{number}.listed.example")
        assert daemon.get("/healthz")[0] == 200, "the admin socket has places of its own"
        assert descriptors(control) <= files + ADMIN_BOUNDS.all + 64, "with those that wait for a place"
        assert resident(control) < memory + MEMORY
    finally:
        stop.set()
        flooding.join()
        for sock in opened:
            sock.close()
    until(lambda: descriptors(control) <= files + 8, "what was opened is closed")
