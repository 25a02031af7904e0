"""README.md is true: its commands run, its output is what they print, its tables are those of the code."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from blockd.orders import Action
from blockd.settings import load
from tests.daemon.harness import Daemon, free_port, until
from tests.readme_tables import with_tables
from tests.upstream import UpstreamSimulator

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
START_TIME = 30.0  # seconds a daemon may take to say that it has started
COMMAND_TIME = 60.0  # seconds one block of commands may take
PORTS = (
    8053,
    8080,
    8444,
    9053,
    8088,
)  # of the shipped config and of `serve`; a test has others, so that two can run on one machine
PROGRAMS = {"dig": "bind9-dnsutils", "curl": "curl"}  # and the Debian packages that have them

# Blocks of the kind `shell` do not run here, by their first line.
NOT_RUN = {
    "git clone REPOSITORY blockd && cd blockd": "installs from the network; the daemon is started as `make run` does",
    "make test": "is what runs this test",
    "blockd refresh --dry-run --popular top-names.csv": "needs a list of popular names and more versions",
    "sudo useradd --system --home-dir /var/lib/blockd --shell /usr/sbin/nologin blockd": "needs root and systemd",
    "docker build -t blockd .": "needs Docker",
}

# What is another value each time: (pattern, what stands for it).
_VOLATILE = (
    (re.compile(r"\b2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\boverride-\d{8}t\d{6}z"), "override-TIME"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "DIGEST"),
    (re.compile(r"\bid: \d+"), "id: N"),
    (re.compile(r"\bprocess \d+"), "process N"),
    (re.compile(r"\b\d+ s old"), "N s old"),
    (re.compile(r"\b\d+ workers"), "N workers"),
    (re.compile(r"\b\d+ octets"), "N octets"),
    (re.compile(r"\b\d+ answers are right"), "N answers are right"),
    (re.compile(r"\b(?:native|python) engine"), "ENGINE"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Block:
    """One fenced block, the heading it stands under, and the output shown right behind it."""

    heading: str
    kind: str
    text: str
    output: str = ""


def _blocks() -> list[Block]:
    heading = kind = ""
    inside: list[str] = []
    found: list[Block] = []
    lines = iter(TEXT.splitlines(keepends=True))
    before = ""
    for line in lines:
        if line.startswith("## "):
            heading = line.removeprefix("## ").strip()
        elif line.startswith("```"):
            kind = line.removeprefix("```").strip()
            inside = list(iter(lambda: next(lines), "```\n"))
            if kind == "text" and before == "```\n":
                found[-1] = replace(found[-1], output="".join(inside))
            else:
                found.append(Block(heading, kind, "".join(inside)))
            line = "```\n"
        before = line
    assert {block.kind for block in found} == {"sh", "shell", "text", "yaml"}
    return found


def _commands(section: str) -> list[Block]:
    return [block for block in BLOCKS if block.heading == section and block.kind == "sh"]


BLOCKS = _blocks()
SECTIONS = list(dict.fromkeys(block.heading for block in BLOCKS if block.kind == "sh"))


class Place:
    """A folder as a fresh clone has it after `make run`, with a daemon running on ports of its own."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.ports = {port: free_port() for port in PORTS}
        shutil.copytree(ROOT / "config", folder / "config")
        config = folder / "config" / "blockd.yaml"
        text = self.with_ports(config.read_text(encoding="utf-8"))
        config.write_text(text.replace('upstreams: ["system"]', f'upstreams: ["{upstream}"]'), encoding="utf-8")
        command = folder / ".venv" / "bin" / "blockd"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blockd "$@"\n', encoding="utf-8")
        command.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self.started = ""
        self._printed: dict[str, list[str]] = {}

    def with_ports(self, text: str) -> str:
        """Put this place's ports where a text has those of the shipped config."""
        return _replaced(text, {str(port): str(mine) for port, mine in self.ports.items()})

    def as_shipped(self, text: str) -> str:
        """Put the ports of the shipped config where a text has this place's."""
        return _replaced(text, {str(mine): str(port) for port, mine in self.ports.items()})

    def printed(self, section: str) -> list[str]:
        """Run the commands of a section, once for all tests; give what each of its blocks prints."""
        if section not in self._printed:
            self._printed[section] = [self.run(block.text) for block in _commands(section)]
        return self._printed[section]

    def run(self, commands: str) -> str:
        """Run commands in a shell of their own; give what they print, with the ports of the shipped config.

        What they export for blockd stays exported, as in the shell of whoever types them.
        """
        self.environment |= dict(re.findall(r"^export (BLOCKD_\w+)=(\w+)$", commands, re.MULTILINE))
        done = subprocess.run(  # noqa: S603 - the README's own commands
            ["/bin/bash", "-euo", "pipefail", "-c", self.with_ports(commands)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIME,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\nends with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert not done.stderr, f"{commands}\ncomplains:\n{done.stderr}"
        return self.as_shipped(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with UpstreamSimulator() as upstream:
        upstream.plan("example.com", "A", "example.com. 60 IN A 192.0.2.1")
        place = Place(tmp_path_factory.mktemp("readme") / "blockd", upstream.address)
        errors = place.folder / "stderr"
        with errors.open("w", encoding="utf-8") as stderr:
            daemon = subprocess.Popen(
                ["blockd", "run", "--config", "config/blockd.yaml"],  # noqa: S607 - found by this place's PATH
                cwd=place.folder,
                env=place.environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
            watchdog = threading.Timer(START_TIME, daemon.kill)
            watchdog.start()
            assert daemon.stdout is not None
            lines = []
            for line in daemon.stdout:
                lines.append(line)
                if "example.com" in line:
                    break
            watchdog.cancel()
            place.started = place.as_shipped("".join(lines))
            try:
                yield place
            finally:
                daemon.send_signal(signal.SIGTERM)
                code = daemon.wait(START_TIME)
                daemon.stdout.close()
        assert code == 0, errors.read_text(encoding="utf-8")
        assert "Traceback" not in errors.read_text(encoding="utf-8")


def test_start_prints_what_the_readme_shows(place: Place) -> None:
    banner = next(block.text for block in BLOCKS if block.kind == "text")
    assert _missing(banner, place.started) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_commands_run_and_print_what_the_readme_shows(place: Place, section: str) -> None:
    blocks = _commands(section)
    for program, package in PROGRAMS.items():
        if any(re.search(rf"^{program} ", block.text, re.MULTILINE) for block in blocks) and not shutil.which(program):
            pytest.skip(f"{program} is not on this machine (Debian: {package})")
    for block, printed in zip(blocks, place.printed(section), strict=True):
        assert _missing(block.output, printed) == [], f"of the output of {block.text}"


def test_published_orders_are_enforced_with_the_feed_that_the_readme_gives(place: Place, tmp_path: Path) -> None:
    place.printed("Publishing signed orders")
    config = next(block.text for block in BLOCKS if block.heading == "Signed orders on the node")
    (feed,) = yaml.safe_load(config)["feeds"]
    del feed["mirrors"]  # of names that no test resolves
    feed |= {"url": (place.folder.parent / "orders").as_uri(), "root": str(place.folder.parent / "national-root.json")}
    with Daemon(tmp_path / "node", feed) as daemon:
        until(lambda: daemon.metric("blockd_ruleset_names") == 6, "every order is enforced")
        for name, order in (
            ("chat.example", "telecom-1"),
            ("roulette.example", "gambling"),
            ("secret.example", "court-1"),
        ):
            told = daemon.lookup(name)
            assert (told["order"]["id"], told["order"]["action"]) == (order, "sinkhole")
        log = daemon.log
    assert "No signature for keyid" not in log, "two of three people sign, as they should"
    assert "secret" not in log


def test_commands_that_do_not_run_here_have_a_reason() -> None:
    first_lines = [block.text.splitlines()[0] for block in BLOCKS if block.kind == "shell"]
    assert sorted(first_lines) == sorted(NOT_RUN)


def test_make_run_starts_the_daemon_as_these_tests_do() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nrun: $(VENV)/installed\n\t@$(BIN)/blockd run --config config/blockd.yaml\n" in makefile


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "yaml"], ids=lambda block: block.heading)
def test_config_of_the_readme_is_valid(block: Block, tmp_path: Path) -> None:
    config = tmp_path / "blockd.yaml"
    config.write_text(block.text, encoding="utf-8")
    assert load(config).feeds


def test_own_lists_pass_with_the_config_that_the_readme_gives(place: Place) -> None:
    lists = [block for block in BLOCKS if block.heading == "Your own lists"]
    place.run(next(block.text for block in lists if block.kind == "sh"))
    config = next(block.text for block in lists if block.kind == "yaml")
    (place.folder / "config" / "own.yaml").write_text(f"state_dir: ../own\n{config}", encoding="utf-8")
    told = place.run("blockd check --config config/own.yaml")
    assert "feed casino is good: 5 names, 1 lines rejected" in told
    assert "A start would enforce 6 names." in told


def test_tables_are_those_of_the_code() -> None:
    assert with_tables(TEXT) == TEXT, "`make readme` makes them anew"


def test_table_of_actions_has_every_action() -> None:
    table = TEXT.partition("### Actions\n")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [action.value for action in Action]


def test_files_that_the_readme_names_are_there() -> None:
    named = set(re.findall(r"(?<![\w/.])config/[\w./-]+\w", TEXT)) - {
        "config/lists/blocked.txt",  # made by its own commands
        "config/lists/allowed.txt",
        "config/lists/own.rpz",
    }
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def _missing(shown: str, printed: str) -> list[str]:
    """Give the lines of what the README shows that are not among the printed ones, in that order."""
    lines = iter([_steady(line) for line in printed.splitlines()])
    return [line for line in shown.splitlines() if not _comes(_steady(line), lines)]


def _comes(line: str, lines: Iterable[str]) -> bool:
    return any(line == printed for printed in lines)


def _steady(line: str) -> str:
    for pattern, stands_for in _VOLATILE:
        line = pattern.sub(stands_for, line)
    return line.strip()


def _replaced(text: str, ports: Mapping[str, str]) -> str:
    """Replace ports, each at once, so that none is replaced twice."""
    return re.sub(rf"\b(?:{'|'.join(ports)})\b", lambda found: ports[found[0]], text)
