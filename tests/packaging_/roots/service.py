"""blockd in a root: its config, the service as its unit starts it, and a load on it."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import yaml

from tests.daemon.harness import until
from tests.packaging_.roots.root import Root

CONFIG = "/etc/blockd/blockd.yaml"
STATE = "/var/lib/blockd"
LISTED = "listed.example"
SINKHOLE = "192.0.2.80"
NEXT = "99.0.0"  # the version that it is upgraded to
RATE = 500  # questions a second while it is upgraded


def configure(root: Root) -> None:
    """Change what the config marks, as an operator does."""
    path = root.path(CONFIG)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    root.path("etc/blockd/names.txt").write_text(f"{LISTED}\n", encoding="ascii")
    config["feeds"] = [{"name": "own", "type": "domains", "path": "names.txt"}]
    config["upstreams"] = ["127.0.0.1:5399"]  # there is none: nothing is asked of it
    config["workers"] = 2
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


class Service:
    """blockd as the unit starts it, but by hand: as its user, with the one capability."""

    def __init__(self, root: Root, log: Path) -> None:
        self.root = root
        self._log = log
        unit = root.path("usr/lib/systemd/system/blockd.service").read_text(encoding="utf-8")
        found = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        assert found
        as_user = "setpriv --reuid=blockd --regid=blockd --init-groups --inh-caps=+net_bind_service"
        command = [*as_user.split(), "--ambient-caps=+net_bind_service", *shlex.split(found[1])]
        with log.open("ab") as output:
            self.process = root.start(*command, output=output)

    @property
    def log(self) -> str:
        """What it has told."""
        return self._log.read_text(encoding="utf-8")

    def address(self, name: str) -> str:
        """Return what it answers for a name; empty if nothing."""
        return self.root.beside("dig", "@127.0.0.1", "+short", "+tries=1", "+time=2", name, "A").stdout.strip()

    def version(self) -> str:
        """Return the version that runs, as it says itself."""
        told = self.root.run("/usr/bin/blockd", "status", "--json", "--config", CONFIG, check=False)
        return str(json.loads(told.stdout)["version"]) if told.stdout.startswith("{") else ""


def serving(root: Root, folder: Path) -> Service:
    """Start blockd with the config of `configure`, and return it once it enforces and can be asked."""
    configure(root)
    service = Service(root, folder / "log")
    until(lambda: service.address(LISTED) == SINKHOLE, "it enforces")
    until(lambda: service.version() != "", "it tells its version")
    return service


class Load:
    """Questions for one name at a steady rate, by dnsperf, from the start of the block to its end."""

    def __init__(self, root: Root, folder: Path) -> None:
        names = folder / "questions"
        names.write_text(f"{LISTED} A\n", encoding="ascii")
        self._root = root
        self._command = ("dnsperf", "-s", "127.0.0.1", "-d", str(names), "-Q", str(RATE), "-l", "600")
        self.told = ""

    def __enter__(self) -> Load:
        self._process = self._root.start_beside(*self._command)
        return self

    def __exit__(self, *unused: object) -> None:
        self._process.send_signal(signal.SIGINT)  # has it tell what it counted
        told, _ = self._process.communicate(timeout=60)
        self.told = told

    def figure(self, what: str) -> float:
        """Return a figure that dnsperf tells."""
        found = re.search(rf"^\s*{re.escape(what)}:?\s+([0-9.]+)", self.told, re.MULTILINE)
        assert found, self.told
        return float(found[1])

    @property
    def longest(self) -> float:
        """The longest time until an answer, in milliseconds."""
        found = re.search(r"Average Latency \(s\):.*max ([0-9.]+)\)", self.told)
        assert found, self.told
        return float(found[1]) * 1000
