"""The admin socket, with real processes at its other end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from blockd.web.callers.local import LocalPeer, LocalUsers, peer_of
from blockd.web.callers.role import NOBODY, AccessRole
from blockd.web.callers.socket_file import AdminSocket, admin_socket
from blockd.web.callers.socket_path import connected
from tests.break_in import NEEDS_ROOT, attempted, become_nobody, let_through

NO_PROCESS = 0  # not an ancestor of anybody


def caller_of(users: LocalUsers, peer: LocalPeer) -> object:
    return asyncio.run(users.caller(peer))


def test_the_socket_is_for_its_owner_and_group_and_connects_by_a_path_of_any_length(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 60)
    folder.mkdir()
    made = AdminSocket(folder / "admin.sock")
    assert made.path.stat().st_mode & 0o777 == 0o660
    assert made.path.stat().st_gid == folder.stat().st_gid
    with connected(made.path, 5) as client, made.sock:
        accepted, _ = made.sock.accept()
        with accepted:
            assert peer_of(accepted) == LocalPeer(os.getpid(), os.geteuid(), frozenset((os.getegid(), *os.getgroups())))
            assert client.fileno() >= 0


def test_a_successor_takes_the_place_at_once_and_is_not_removed_by_the_predecessor(tmp_path: Path) -> None:
    first = AdminSocket(tmp_path / "admin.sock")
    second = AdminSocket(tmp_path / "admin.sock")
    first.remove()
    first.sock.close()
    with connected(second.path, 5), second.sock:
        second.sock.accept()[0].close()
    second.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_socket_is_left_in_place_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "admin.sock").write_text("theirs")
    assert admin_socket(tmp_path / "admin.sock") is None
    assert "something else than a socket lies there" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["admin.sock"]
    assert (tmp_path / "admin.sock").read_text() == "theirs"


@NEEDS_ROOT
def test_nobody_else_may_connect(tmp_path: Path) -> None:
    let_through(tmp_path)
    made = AdminSocket(tmp_path / "admin.sock")
    assert not attempted(lambda: connected(made.path, 5).close(), become_nobody)
    made.sock.close()


def test_root_the_own_user_and_the_group_are_operators_and_are_called_by_name(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    made = AdminSocket(path)
    users = LocalUsers(path, NO_PROCESS, lambda uid: f"name-{uid}")
    group = path.stat().st_gid
    for peer in (
        LocalPeer(os.getpid(), os.geteuid(), frozenset()),
        LocalPeer(1, 0, frozenset()),
        LocalPeer(1, 12345, frozenset((group,))),
    ):
        caller = caller_of(users, peer)
        assert caller == (type(NOBODY))(f"user name-{peer.uid}", AccessRole.OPERATOR, "socket")
    assert caller_of(users, LocalPeer(1, 12345, frozenset((group + 1,)))) == NOBODY
    made.sock.close()


def test_a_name_that_is_slow_to_be_had_is_the_users_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.web.callers.local.NAMING", 0.01)
    known = threading.Event()

    def slow(_uid: int) -> str:
        known.wait(0.3)
        return "late"

    users = LocalUsers(tmp_path, NO_PROCESS, slow)
    assert caller_of(users, LocalPeer(1, 0, frozenset())) == type(NOBODY)("user 0", AccessRole.OPERATOR, "socket")


def descendant(depth: int, tell: int) -> None:
    """Fork so many times; the last one tells its id and waits to be killed."""
    for _ in range(depth):
        if os.fork():
            os._exit(0)
    os.write(tell, f"{os.getpid()}\n".encode())
    time.sleep(60)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_process_of_the_daemon_is_no_operator_also_if_its_parents_have_ended(depth: int, tmp_path: Path) -> None:
    """As one that was broken into would try; the first process here takes the supervisor's part."""
    from blockd.daemon.rights.capabilities import adopt_orphans

    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        adopt_orphans()
        if os.fork() == 0:
            descendant(depth, writing)
        time.sleep(60)
    os.close(writing)
    found = int(os.read(reading, 32))
    os.close(reading)
    try:
        peer = LocalPeer(found, os.geteuid(), frozenset())
        assert caller_of(LocalUsers(tmp_path, pid), peer) == NOBODY
        assert caller_of(LocalUsers(tmp_path, pid), LocalPeer(os.getpid(), os.geteuid(), frozenset())) != NOBODY
        os.kill(found, 9)
        assert caller_of(LocalUsers(tmp_path, pid), peer) == NOBODY, "one that has ended may have left its connection"
    finally:
        os.kill(found, 9)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
