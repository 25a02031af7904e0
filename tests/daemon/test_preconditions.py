"""`blockd check` refuses what `blockd run` would refuse, in the same words."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.cli import main
from blockd.daemon.preconditions import lacking
from blockd.daemon.processes.folder_lock import is_held
from blockd.daemon.state_dir import StateDir
from blockd.settings import load
from tests.daemon.harness import Daemon, blockd

Spoil = Callable[[Daemon, Path], str]


def _state_is_a_file(daemon: Daemon, _: Path) -> str:
    daemon.state_dir.write_text("a file", encoding="utf-8")
    return f"state_dir: {daemon.state_dir} is not a folder"


def _state_is_below_a_file(daemon: Daemon, folder: Path) -> str:
    (folder / "file").write_text("a file", encoding="utf-8")
    daemon.settings["state_dir"] = str(folder / "file" / "state")
    return f"state_dir: {folder / 'file'} is not a folder"


def _nobody_is_named_so(daemon: Daemon, _: Path) -> str:
    daemon.settings["user"] = "no-such-user"
    return "user: there is no user 'no-such-user' on this machine"


def _protected_list_is_a_folder(daemon: Daemon, folder: Path) -> str:
    daemon.settings["gate"] = {"protected": [str(folder)]}
    return "gate.protected[0]: it cannot be read: Is a directory"


def _suffixes_are_missing(daemon: Daemon, folder: Path) -> str:
    daemon.settings["gate"] = {"public_suffixes": str(folder / "absent")}
    return "gate.public_suffixes: it cannot be read: No such file or directory"


def _popular_names_cannot_be_read(daemon: Daemon, folder: Path) -> str:
    (folder / "popular").write_bytes(b"\xff\xfe")
    daemon.settings["gate"] = {"popular": str(folder / "popular")}
    return "gate.popular: it is not valid UTF-8 text"


def _cookie_secrets_are_open_to_everybody(daemon: Daemon, folder: Path) -> str:
    (folder / "secrets").write_text("0f" * 16, encoding="ascii")
    (folder / "secrets").chmod(0o644)
    daemon.settings["clients"] = {"cookie_secrets": str(folder / "secrets")}
    return f"clients.cookie_secrets: {folder / 'secrets'} is open to every user of this machine"


@pytest.mark.parametrize(
    "spoil",
    [
        _state_is_a_file,
        _state_is_below_a_file,
        _nobody_is_named_so,
        _protected_list_is_a_folder,
        _suffixes_are_missing,
        _popular_names_cannot_be_read,
        _cookie_secrets_are_open_to_everybody,
    ],
    ids=lambda spoil: spoil.__name__.strip("_"),
)
def test_check_refuses_what_run_refuses(spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    sentence = spoil(daemon, tmp_path)
    daemon.write_config()
    code = main(["check", "--config", str(daemon.config)])
    told = capsys.readouterr()
    assert code in (1, 2)
    assert sentence in told.out + told.err
    assert "is good." not in told.out
    ran = blockd("run", folder=tmp_path, config=daemon.config)
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_port_of_another_program_is_in_the_way_of_a_check_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", daemon.dns_port))
        assert main(["check", "--config", str(daemon.config)]) == 1
    told = capsys.readouterr().out
    assert f"127.0.0.1:{daemon.dns_port} cannot be listened on: another program has this port" in told
    assert "is good." not in told
    assert main(["check", "--config", str(daemon.config)]) == 0


def test_config_for_another_machine_is_checked_without_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(tmp_path)
    daemon.listen["admin"] = f"192.0.2.77:{daemon.admin_port}"
    daemon.write_config()
    assert main(["check", "--elsewhere", "--config", str(daemon.config)]) == 0
    assert f"{daemon.config} is good." in capsys.readouterr().out


def test_ports_of_the_blockd_that_runs_are_not_in_the_way(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    settings = load(daemon.config)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", daemon.dns_port))
        assert len(lacking(settings)) == 1
        held = StateDir(settings.state_dir).take_lock()
        try:
            assert is_held(settings.state_dir)
            assert lacking(settings) == []
        finally:
            held.close()
    assert not is_held(settings.state_dir)


def test_a_look_makes_and_changes_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    before = sorted(tmp_path.rglob("*"))
    assert lacking(load(daemon.config)) == []
    assert sorted(tmp_path.rglob("*")) == before
