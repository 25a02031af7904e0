"""What is found of a config at a glance is what reading the whole of it finds, or nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.cli.asking.place import (
    DEFAULT_STATE,
    SERVICE_STATE,
    SOCKET,
    socket_at_a_glance,
    sockets_named,
    state_folder,
)
from blockd.errors import ConfigError
from blockd.settings import Settings, load
from blockd.settings.listening import ADMIN_SOCKET
from tests.places import ROOT

SIMPLE = [
    "workers: 1\n",
    "state_dir: state\nworkers: 1\n",
    "# a comment\nstate_dir: /var/lib/blockd # and another\nfeeds: []\n",
    "state_dir: ../../x/../y\n",
    "listen:\n  admin: 127.0.0.1:9053\nstate_dir: ./a.b-c_d/e\n",
    "feeds:\n- {name: a, type: domains, path: a}\nstate_dir: s/t\n",
]
NOT_SIMPLE = [
    "{state_dir: state}\n",
    '"state_dir": state\n',
    "state_dir: 'state'\n",
    "---\nstate_dir: state\n",
    "state_dir:\n  state\n",
    "state_dir: state\n  more\n",
    "state_dir: &a state\n",
    "  state_dir: state\n",
    "state_dir: state\nlisten: {admin_socket: /run/x.sock}\n",
    "state_dir: [a]\n",
    "state_dir: yes\n",
    "state_dir: a\nstate_dir: b\n",
    "",
]


def test_the_defaults_are_those_of_the_settings() -> None:
    assert Settings.model_fields["state_dir"].default == DEFAULT_STATE
    assert SOCKET == ADMIN_SOCKET


@pytest.mark.parametrize("text", SIMPLE)
def test_a_simple_config_is_seen_at_a_glance(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config" / "blockd.yaml"
    path.parent.mkdir()
    path.write_text(text)
    assert socket_at_a_glance(path) == load(path).admin_socket


@pytest.mark.parametrize("text", NOT_SIMPLE)
def test_what_is_not_simple_is_left_to_who_reads_it_all(text: str, tmp_path: Path) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(text)
    assert socket_at_a_glance(path) is None


@given(
    st.lists(
        st.sampled_from(
            ["state_dir: a/b", "state_dir:", "  a", "workers: 1", "- x", "#", "", "state_dir: '", "'", "listen:", "%",
             "state_dir: |", "cache: {size: 1M", "}", "...", "? state_dir", ": a", "state_dir: a: b", "state_dir: b #x"]
        ),
        max_size=6,
    )
)  # fmt: skip
def test_no_config_is_seen_to_say_another_thing_than_it_does(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blockd.yaml"
        path.write_text("\n".join(lines))
        try:
            whole = load(path).admin_socket
        except ConfigError:
            return
        assert socket_at_a_glance(path) in (None, whole)


def test_a_config_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        state_folder(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "verb",
    [
        "status",
        "lookup",
        "service.refresh",
        "service.reload",
        "service.upgrade",
        "rollback",
        "token",
        "cache.flush",
        "cache.show",
    ],
)
def test_commands_that_ask_the_daemon_load_neither_the_settings_nor_the_servers(verb: str) -> None:
    heavy = ("pydantic", "aiohttp", "yaml", "blockd.settings.model", "blockd.resolver.pipeline", "asyncio")
    code = f"import sys, blockd.cli.{verb}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)  # noqa: S603
    assert done.stdout.strip() == "[]"


def bound(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    return sock


def test_the_package_has_its_state_where_it_is_looked_for() -> None:
    assert load(ROOT / "config" / "service.yaml").state_dir == Path(SERVICE_STATE)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("state_dir: state\nworkers: [", "state/admin.sock"),
        ("{state_dir: 'state'", "state/admin.sock"),
        ('"state_dir" : "state" # \0', "state/admin.sock"),
        ("listen:\n  admin_socket: run/own.sock\n  \t", "run/own.sock"),
        ("state_dir: elsewhere\n" + "#" * (2 << 20), "elsewhere/admin.sock"),
        ("", "../var/admin.sock"),
        (None, "../var/admin.sock"),
    ],
)
def test_the_socket_of_a_config_that_cannot_be_used_is_found_where_it_is(
    text: str | None, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "config" / "blockd.yaml"
    path.parent.mkdir()
    if text is not None:
        path.write_text(text)
    socket_path = (path.parent / where).resolve()
    with bound(socket_path):
        assert [found.resolve() for found in sockets_named(path)][:1] == [socket_path]


def test_a_pipe_in_place_of_a_config_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "blockd.yaml")
    assert socket_at_a_glance(tmp_path / "blockd.yaml") is None
    assert list(sockets_named(tmp_path / "blockd.yaml")) == []
