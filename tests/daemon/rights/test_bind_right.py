"""The supervisor alone keeps the right to bind ports below 1024, for addresses that a reload adds."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable

import pytest

from blockd.daemon.rights.account import Account, become
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, drop, give_to_program, held

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

LOW = range(600, 1000)  # ports that few programs use


def in_child(work: Callable[[], object]) -> object:
    """Return what a child of this process returns, as JSON, once it has become nobody."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        try:
            become(Account.of("nobody"), [CAP_NET_BIND_SERVICE])
            os.write(theirs, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as told:
        octets = told.read()
    os.waitpid(pid, 0)
    return json.loads(octets)


def binds() -> bool:
    """Return whether a port below 1024 can be bound."""
    for port in LOW:
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except PermissionError:
                return False
            except OSError:
                continue
            return True
    raise AssertionError("no port is free")


def test_another_user_binds_low_ports_until_it_gives_up_the_right() -> None:
    def work() -> list[object]:
        before = [os.geteuid(), held(), binds()]
        drop(CAP_NET_BIND_SERVICE)
        return [*before, held(), binds()]

    assert in_child(work) == [Account.of("nobody").uid, 1 << CAP_NET_BIND_SERVICE, True, 0, False]


@pytest.mark.parametrize("asks", [True, False])
def test_a_program_that_it_becomes_has_it_only_if_that_is_asked_for(asks: bool) -> None:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become(Account.of("nobody"), [CAP_NET_BIND_SERVICE])
            if asks:
                give_to_program(CAP_NET_BIND_SERVICE)
            os.dup2(theirs, 1)
            os.execv("/bin/cat", ["cat", "/proc/self/status"])  # noqa: S606 - what is tested
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours, "rb") as told:
        assert _effective(told.read().decode()) == (1 << CAP_NET_BIND_SERVICE if asks else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _effective(told: str) -> int:
    return int(next(one for one in told.splitlines() if one.startswith("CapEff:")).split()[1], 16)
