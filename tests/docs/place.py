"""A folder as a fresh clone has it after `make run`, in which the commands of pages run."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import forking
from tests.daemon.harness import free_port, until
from tests.docs.pages import ADMIN_PORT, PORTS, ROOT, Page
from tests.docs.shown import missing

START_TIME = 90.0  # seconds a daemon may take to say that it has started
COMMAND_TIME = 120.0  # seconds one block of commands may take
PROGRAMS = {"dig": "bind9-dnsutils", "curl": "curl"}  # and the Debian packages that have them


class Place:
    """One such folder. It has ports of its own, so that several can be used on one machine; `start` runs the daemon."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self._ports = {port: free_port() for port in PORTS}
        shutil.copytree(ROOT / "config", folder / "config")
        config = folder / "config" / "blockd.yaml"
        text = self._with_ports(config.read_text(encoding="utf-8"))
        config.write_text(text.replace('upstreams: ["system"]', f'upstreams: ["{upstream}"]'), encoding="utf-8")
        command = folder / ".venv" / "bin" / "blockd"
        command.parent.mkdir(parents=True)
        forking.write_program(command)
        self._environment = {
            **os.environ,
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self.started = ""  # what the daemon has printed at its start
        self._daemon: subprocess.Popen[bytes] | forking.Process | None = None

    def start(self) -> None:
        """Start the daemon as `make run` does, unless it runs."""
        if self._daemon is not None:
            return
        command = ["blockd", "run", "--config", "config/blockd.yaml"]
        reading, writing = os.pipe()
        self._output = os.fdopen(reading, encoding="utf-8")
        with self._errors.open("wb") as stderr, os.fdopen(writing, "wb") as stdout:
            self._daemon = forking.start(command, self.folder, self._environment, stdout, stderr)
        watchdog = threading.Timer(START_TIME, self._daemon.kill)
        watchdog.start()
        lines = []
        for line in self._output:
            lines.append(line)
            if "example.com" in line:
                break
        watchdog.cancel()
        self.started = self._as_shipped("".join(lines))
        until(self._is_ready, "the list is enforced", START_TIME)

    def stop(self) -> None:
        """Stop the daemon, if it was started; it must end well."""
        if self._daemon is None:
            return
        self._daemon.send_signal(signal.SIGTERM)
        code = self._daemon.wait(START_TIME)
        self._output.close()
        self._daemon = None
        errors = self._errors.read_text(encoding="utf-8")
        assert code == 0, errors
        assert "Traceback" not in errors

    def run(self, commands: str, shown: str = "") -> str:
        """Run commands in a shell of their own; return what they print, with the ports of the shipped config.

        What they say on standard error has to be in `shown`, the output on the page; it is returned first.
        What they export for blockd stays exported, as in the shell of whoever types them.
        """
        self._environment |= dict(re.findall(r"^export (BLOCKD_\w+)=(\w+)$", commands, re.MULTILINE))
        done = subprocess.run(  # noqa: S603 - the manual's own commands
            ["/bin/bash", "-euo", "pipefail", "-c", self._with_ports(commands)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIME,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\nends with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert missing(done.stderr, shown) == [], f"{commands}\ncomplains:\n{done.stderr}"
        return self._as_shipped(done.stderr + done.stdout)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[ADMIN_PORT], timeout=START_TIME)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200

    @property
    def _errors(self) -> Path:
        return self.folder.with_name("stderr")

    def _with_ports(self, text: str) -> str:
        """Put this place's ports where a text has those of the shipped config."""
        return _replaced(text, {str(port): str(mine) for port, mine in self._ports.items()})

    def _as_shipped(self, text: str) -> str:
        """Put the ports of the shipped config where a text has this place's."""
        return _replaced(text, {str(mine): str(port) for port, mine in self._ports.items()})


class Places:
    """A place for each page, but one for pages that go on from each other, and one for all that only ask.

    The commands of a page run once.
    """

    def __init__(self, folder: Path, upstream: str) -> None:
        self._folder = folder
        self._upstream = upstream
        self._places: dict[Page, Place] = {}
        self._asked: Place | None = None  # by all pages that only ask
        self._printed: dict[Page, list[str]] = {}

    def of(self, page: Page) -> Place:
        """Return a page's place, with the commands of the pages that it goes on from run there."""
        if page not in self._places:
            if page.after is not None:
                self.printed(page.after)
                self._places[page] = self.of(page.after)
            elif page.only_asks:
                self._asked = self._asked or self._new()
                self._places[page] = self._asked
            else:
                self._places[page] = self._new()
        if page.needs_daemon:
            self._places[page].start()
        return self._places[page]

    def _new(self) -> Place:
        return Place(self._folder / f"page-{len(self._places)}" / "blockd", self._upstream)

    def printed(self, page: Page) -> list[str]:
        """Run the commands of a page; return what each of its blocks prints."""
        if page not in self._printed:
            place = self.of(page)
            self._printed[page] = [place.run(block.text, block.output) for block in page.commands]
        return self._printed[page]

    def check(self, page: Page) -> None:
        """Run the commands of a page, and compare what they print with what it shows."""
        for program, package in PROGRAMS.items():
            is_asked = any(re.search(rf"^{program} ", block.text, re.MULTILINE) for block in page.commands)
            if is_asked and not shutil.which(program):
                pytest.skip(f"{program} is not on this machine (Debian: {package})")
        for block, printed in zip(page.commands, self.printed(page), strict=True):
            assert missing(block.output, printed) == [], f"of the output of {block.text}"

    def stop(self) -> None:
        """Stop every daemon."""
        for place in set(self._places.values()):
            place.stop()


def _replaced(text: str, ports: Mapping[str, str]) -> str:
    """Replace ports, each at once, so that none is replaced twice."""
    return re.sub(rf"\b(?:{'|'.join(ports)})\b", lambda found: ports[found[0]], text)
