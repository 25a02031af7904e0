from __future__ import annotations

import importlib
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from blockd.transports.stream_calls import NOT_NOW, UNUSABLE, StreamCalls, stream_calls

Made = Callable[[int], StreamCalls]


@pytest.fixture(params=["Python", "C"])
def made(request: pytest.FixtureRequest) -> Made:
    """Makes the calls of either kind."""
    if request.param == "Python":
        return StreamCalls
    name = "blockd.transports._stream_calls"
    module = pytest.importorskip(name, reason="blockd was installed without its C part")
    kind: Made = module.NativeStreamCalls
    return kind


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected pair over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    with one, other:
        yield one, other


def read(calls: StreamCalls, sock: socket.socket) -> bytes | int:
    size = calls.receive(sock, sock.fileno())
    return bytes(calls.incoming[:size]) if size > 0 else size


def test_what_is_there_is_read_and_nothing_is_waited_for(made: Made, connected: tuple[socket.socket, ...]) -> None:
    one, other = connected
    calls = made(4)
    assert read(calls, one) == NOT_NOW
    other.sendall(b"abcdef")
    assert [read(calls, one) for _ in range(3)] == [b"abcd", b"ef", NOT_NOW]
    other.shutdown(socket.SHUT_WR)
    assert read(calls, one) == 0


def test_what_the_kernel_does_not_take_is_not_waited_for(made: Made, connected: tuple[socket.socket, ...]) -> None:
    one, other = connected
    calls = made(1 << 16)
    octets = bytes(1 << 20)
    taken = 0
    while sent := calls.send(one, one.fileno(), octets):
        taken += sent
    while taken:
        got = read(calls, other)
        assert isinstance(got, bytes) or got == NOT_NOW
        taken -= len(got) if isinstance(got, bytes) else 0
    assert calls.send(one, one.fileno(), b"") == 0


def test_a_connection_that_was_reset_is_broken(made: Made, connected: tuple[socket.socket, ...]) -> None:
    one, other = connected
    calls = made(16)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    other.close()
    assert read(calls, one) == UNUSABLE
    assert calls.send(one, one.fileno(), b"x") == UNUSABLE


def test_python_does_it_where_there_is_no_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert isinstance(stream_calls(16), StreamCalls)
