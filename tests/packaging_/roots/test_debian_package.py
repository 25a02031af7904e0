"""The Debian package on a small Debian: installed, started without systemd, upgraded while it answers, purged."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import blockd
from tests.daemon.harness import until
from tests.packaging_ import debian
from tests.packaging_.roots.root import Root, made, skip_unless_possible

SUITE = "bookworm"  # whose Python is 3.11
CONFIG = "/etc/blockd/blockd.yaml"
STATE = "/var/lib/blockd"
LISTED = "listed.example"
SINKHOLE = "192.0.2.80"
RATE = 500  # questions a second while it is upgraded
NEXT = "99.0.0"  # the version that it is upgraded to
COMPILERS = ("gcc", "cc", "clang", "make", "pip", "pip3")
PLACES = ("etc", "opt", "usr", "var/lib")  # where a package may leave something
# What dpkg and apt keep of every package, and the user, which stays.
KEPT = re.compile(
    r"etc/(passwd|group|g?shadow|sub[ug]id)-?$|etc/\.pwd\.lock$|var/lib/(dpkg|apt|systemd)/|usr/share/man/|etc/ld\.so\.cache$"
    r"|.*/__pycache__/"
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The package, and the one of the next version."""
    skip_unless_possible()
    folder = tmp_path_factory.mktemp("deb")
    first = debian.package(debian.copied(folder / "tree"), folder / "dist", dict(os.environ))
    return first, debian.changed(first, folder, NEXT)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A Debian without Python."""
    skip_unless_possible()
    # What the package may need of Debian, so that one test can compare what is there before and after.
    with made(tmp_path_factory.mktemp("root") / "debian", SUITE) as one:
        yield one


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


def files(root: Root) -> set[str]:
    found = set()
    for place in PLACES:
        for path in root.path(place).rglob("*"):
            name = path.relative_to(root.folder).as_posix()
            if not KEPT.match(name):
                found.add(name)
    return found


def configure(root: Root) -> None:
    """Change what the config marks, as an operator does."""
    path = root.path(CONFIG)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    root.path("etc/blockd/names.txt").write_text(f"{LISTED}\n", encoding="ascii")
    config["feeds"] = [{"name": "own", "type": "domains", "path": "names.txt"}]
    config["upstreams"] = ["127.0.0.1:5399"]  # there is none: nothing is asked of it
    config["workers"] = 2
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def test_it_is_installed_started_upgraded_and_purged(
    root: Root, packages: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("dnsperf") is None:
        pytest.skip("dnsperf is not on this machine (Debian: dnsperf)")
    first, second = packages
    for deb in packages:
        root.path(f"root/{deb.name}").write_bytes(deb.read_bytes())
    root.run("apt-get", "update", "-qq", sealed=False)
    # Its dependencies first, by themselves: what is left after a purge is then the package's own.
    depends = [one.split("|") for one in debian.field(first, "Depends").split(",")]
    wanted = [re.sub(r"\(.*\)", "", choice[0]).strip() for choice in depends]
    wanted = ["systemd-standalone-sysusers" if one == "systemd" else one for one in wanted]
    wanted = [one.replace("libssl3t64", "libssl3") for one in wanted]
    root.run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *wanted, sealed=False)
    assert not [name for name in COMPILERS if root.run("which", name, check=False).returncode == 0]
    assert not root.path("run/systemd/system").exists()
    before = files(root)

    begun = time.monotonic()
    told = root.run("dpkg", "--install", f"/root/{first.name}")
    installed_in = time.monotonic() - begun
    assert "blockd is installed and not started" in told.stdout
    assert root.run("dpkg", "--verify", "blockd").stdout == ""
    assert root.run("stat", "-c", "%U:%G %a", STATE).stdout.strip() == "blockd:blockd 750"
    assert root.run("blockd", "--version").stdout.strip() == f"blockd {blockd.__version__}"
    assert root.run("/opt/blockd/bin/python", "-c", "import blockd.resolver.engine._engine").returncode == 0

    configure(root)
    root.run("blockd", "check", "--config", CONFIG)
    service = Service(root, tmp_path / "log")
    until(lambda: service.address(LISTED) == SINKHOLE, "it enforces")
    until(lambda: "(native engine" in service.log, "the start-up is told")
    until(lambda: service.version() == blockd.__version__, "it tells its version")

    with Load(root, tmp_path) as load:
        begun = time.monotonic()
        told = root.run("dpkg", "--install", f"/root/{second.name}")
        upgraded_in = time.monotonic() - begun
        until(lambda: service.version() == NEXT, f"the new version runs\n{told.stdout}{told.stderr}\n{service.log}")
    assert f"Version {NEXT} has taken the place of version {blockd.__version__}." in told.stdout
    assert load.figure("Queries sent") >= RATE
    assert load.figure("Queries lost") == 0, f"{load.told}\n{service.log}"
    assert service.process.poll() is None  # the supervisor is the process that it was
    assert yaml.safe_load(root.path(CONFIG).read_text("utf-8"))["feeds"]  # the operator's config
    with capsys.disabled():
        print(
            f"\npackage: installed in {installed_in:.1f} s, upgraded in {upgraded_in:.1f} s; meanwhile "
            f"{load.figure('Queries sent'):,.0f} questions, none lost, the longest answered in {load.longest:.0f} ms"
        )

    root.run("dpkg", "--remove", "blockd")
    assert service.process.wait(30) == 0, service.log
    assert root.path(f"{STATE}/audit.db").exists()
    assert root.path(CONFIG).exists()
    assert not root.path("opt/blockd").exists()

    root.run("dpkg", "--purge", "blockd")
    assert files(root) - before == set()
    assert before - files(root) == set()


def test_with_systemd_a_running_service_changes_over_or_goes_on_where_its_config_is_not_accepted(
    root: Root, packages: tuple[Path, Path]
) -> None:
    first, second = (f"/root/{deb.name}" for deb in packages)
    asked = root.path("root/systemctl.log")
    systemctl = root.path("usr/local/bin/systemctl")
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>/root/{asked.name}\n', encoding="ascii")
    systemctl.chmod(0o755)
    root.path("run/systemd/system").mkdir(parents=True)
    root.run("dpkg", "--install", first)
    asked.unlink()

    root.path("etc/blockd/names.txt").write_text(f"{LISTED}\n", encoding="ascii")
    good = root.path(CONFIG).read_text(encoding="utf-8")
    root.path(CONFIG).write_text(f"{good}\nunheard_of: 1\n", encoding="utf-8")
    told = root.run("dpkg", "--force-confold", "--install", second)
    assert "this one does not accept /etc/blockd/blockd.yaml" in told.stderr
    assert "unheard_of" in told.stderr
    assert "Mend it, then: blockd upgrade" in told.stderr
    assert "restart" not in asked.read_text(encoding="ascii")

    root.path(CONFIG).write_text(good, encoding="utf-8")
    told = root.run("dpkg", "--force-confold", "--install", second)
    assert "goes on" not in told.stderr
    assert "restart blockd.service" in asked.read_text(encoding="ascii")  # none answers that could be told to upgrade

    root.run("dpkg", "--purge", "blockd")
    assert "stop blockd.service" in asked.read_text(encoding="ascii")
