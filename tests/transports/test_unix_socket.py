from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.settings import Settings
from blockd.transports import binding, unix_socket
from tests.daemon.harness import free_port


def settings(*decide: str) -> Settings:
    listen = {
        "dns": [f"127.0.0.1:{free_port()}"],
        "block_page": {"http": [], "https": []},
        "admin": f"127.0.0.1:{free_port()}",
        "decide": list(decide),
    }
    return Settings.model_validate({"workers": 1, "listen": listen, "feeds": [], "upstreams": ["127.0.0.1:1"]})


def test_it_listens_at_once_for_its_owner_and_the_group_of_its_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, 4242)
    path = tmp_path / "s"
    made = unix_socket.listen(path, 1)
    with made, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert found.st_gid == tmp_path.stat().st_gid
        unix_socket.close(made)
    assert not path.exists()


def test_what_was_left_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    made = unix_socket.listen(path, 1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    unix_socket.close(made)


def test_where_another_program_listens_a_start_is_refused_and_nothing_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        (trouble,) = binding.troubles(settings(f"unix:{path}"))
        assert trouble.is_taken
        assert str(trouble) == f"listen.decide: unix:{path} cannot be listened on: another program listens there"
        with pytest.raises(ConfigError):
            binding.bind(settings(f"unix:{path}"), "config")
        assert path.is_socket()


def test_a_file_is_not_removed_for_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious", encoding="ascii")
    (trouble,) = binding.troubles(settings(f"unix:{path}"))
    assert "something else than a socket lies there" in str(trouble)
    assert path.read_text(encoding="ascii") == "precious"


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    (trouble,) = binding.troubles(settings(f"unix:{tmp_path}/none/s"))
    assert f"there is no folder {tmp_path}/none" in str(trouble)


def test_trying_leaves_nothing_and_a_stop_removes_it_unless_it_is_anothers_by_then(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert binding.troubles(settings(f"unix:{path}")) == []
    assert not path.exists()
    sockets = binding.bind(settings(f"unix:{path}"), "config")
    assert sockets.bound.decide == (f"unix:{path}",)
    path.unlink()
    path.write_text("another's", encoding="ascii")
    sockets.close()
    assert path.exists()
