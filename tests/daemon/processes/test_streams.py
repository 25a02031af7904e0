"""Whatever standard output and error are, writing to them neither waits nor fails."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.daemon.processes import streams
from blockd.daemon.processes.streams import LossyStream

LINE = "a line\n" * 100


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_full_pipe_loses_lines_and_says_how_many(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    stream = LossyStream(writing)
    for _ in range(3 * size // len(LINE)):
        assert stream.write(LINE) == len(LINE)
    taken = os.read(reading, size)
    assert taken.startswith(LINE.encode())
    stream.write("the next\n")
    said = os.read(reading, size).decode()
    assert "messages were lost here" in said
    assert said.endswith("the next\n")
    assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK, "it stays as others that have it know it"


def test_full_pipe_without_proc_loses_lines_too(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = pipe
    opened = os.open

    def without_proc(path: str, flags: int) -> int:
        if path.startswith("/proc"):
            raise FileNotFoundError(path)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", without_proc)
    stream = LossyStream(writing)
    size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    for _ in range(3 * size // len(LINE)):
        stream.write(LINE)
    assert os.read(reading, size).startswith(LINE.encode())


def test_full_socket_loses_lines() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        stream = LossyStream(ours.fileno())
        for _ in range(1000):
            stream.write(LINE)
        assert theirs.recv(len(LINE)) == LINE.encode()


@pytest.mark.parametrize("place", ["/dev/full", "/dev/null"])
def test_full_disk_fails_nothing(place: str) -> None:
    with Path(place).open("wb") as file:
        stream = LossyStream(file.fileno())
        assert stream.write(LINE) == len(LINE)
        print("ä \ud800", file=stream, flush=True)


def test_broken_pipe_and_wrong_direction_fail_nothing(pipe: tuple[int, int]) -> None:
    LossyStream(pipe[0]).write(LINE)
    reading, writing = os.pipe()
    os.close(reading)
    LossyStream(writing).write(LINE)
    os.close(writing)


def test_closed_descriptors_are_occupied() -> None:
    for is_there in (True, False):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for number in streams.STANDARD:
                    os.close(number)
                if not is_there:
                    os.devnull = "/dev/absent/null"
                streams.occupy()
                streams.begin()
                print("nobody reads this", flush=True)
                code = 0 if os.dup(0) not in streams.STANDARD else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
