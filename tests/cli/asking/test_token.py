"""Which commands take a token, and where it is sent."""

from __future__ import annotations

import ast
import socket
import threading
from pathlib import Path

import pytest

from blockd.cli.asking import way
from blockd.cli.asking.way import PortWay
from blockd.cli.authority.order.node import seen_by
from blockd.cli.grammar.tree import ASKING, commands, parser
from blockd.errors import CommandError
from tests.places import ROOT

CLI = ROOT / "blockd" / "cli"
ASKERS = {"blockd.cli.admin_client"}


def modules_that_ask() -> set[str]:
    """Return the modules of verbs that ask the daemon, by the names below `blockd.cli`."""
    found = set()
    for path in CLI.rglob("*.py"):
        imported = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        if imported & ASKERS:
            found.add(".".join(path.relative_to(CLI).with_suffix("").parts).removesuffix(".__init__"))
    return found - {"asking.standing", "admin_client"}


def test_every_command_that_asks_the_daemon_takes_a_token_file() -> None:
    options = {
        command.name.removeprefix("blockd "): "--token-file" in command.parser.format_help()
        for command in commands(parser())
    }
    taking = {name for name, takes in options.items() if takes}
    assert taking == set(ASKING) - {"override", "cache"}, "those two are no commands without their parts"
    verbs = {name.split()[0] for name in taking}
    of_modules = {module.removeprefix("service.").split(".")[0] for module in modules_that_ask()}
    assert of_modules - {"recent_traffic"} <= verbs, "one asks that takes no token"
    assert verbs <= of_modules


@pytest.mark.parametrize(
    "place", [["--token-file", "t", "end", "a.example"], ["end", "a.example", "--token-file", "t"]]
)
def test_it_stands_before_a_part_or_after_it(place: list[str]) -> None:
    args = parser().parse_args(["override", *place, "--reason", "why"])
    assert args.token_file == Path("t")


def test_a_token_does_not_go_to_another_machine_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_is_here", lambda _: False)  # as if the port were elsewhere
    monkeypatch.setenv("BLOCKD_TOKEN", "blockd_secret")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hear() -> None:
            sock, _ = server.accept()
            with sock:
                heard.append(sock.recv(4096))

        thread = threading.Thread(target=hear)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(CommandError, match=f"in clear.*nothing was sent.*https://127.0.0.1:{port}"):
            seen_by(f"127.0.0.1:{port}")
        thread.join()
    assert heard == [b""]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_it_goes_to_this_machine(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        PortWay(f"{address}:{server.getsockname()[1]}", "blockd_secret").connect(5).close()


class Ends:
    """A connection between two addresses."""

    def __init__(self, ours: str, theirs: str) -> None:
        self.ours, self.theirs = ours, theirs

    def getsockname(self) -> tuple[str, int]:
        return self.ours, 1

    def getpeername(self) -> tuple[str, int]:
        return self.theirs, 2


@pytest.mark.parametrize(
    ("ours", "theirs", "is_here"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::1", True),
        ("::1", "::1", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", False),
        ("fe80::1%eth0", "fe80::2%eth0", False),
    ],
)
def test_a_machines_own_addresses_are_on_it(ours: str, theirs: str, is_here: bool) -> None:
    assert way._is_here(Ends(ours, theirs)) is is_here  # type: ignore[arg-type]
