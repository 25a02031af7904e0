"""The Debian package on a small Debian: installed, started without systemd, upgraded while it answers, purged."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from blockd_build.deb import tree

import blockd
from tests.daemon.harness import until
from tests.packaging_ import debian
from tests.packaging_.roots.root import Root
from tests.packaging_.roots.service import CONFIG, LISTED, NEXT, RATE, STATE, Load, serving

COMPILERS = ("gcc", "cc", "clang", "make", "pip", "pip3")
PLACES = ("etc", "opt", "usr", "var/lib")  # where a package may leave something
# What dpkg and apt keep of every package, and the user, which stays.
KEPT = re.compile(
    r"etc/(passwd|group|g?shadow|sub[ug]id)-?$|etc/\.pwd\.lock$|var/lib/(dpkg|apt|systemd)/|usr/share/man/|etc/ld\.so\.cache$"
    r"|.*/__pycache__/"
)


def files(root: Root) -> set[str]:
    found = set()
    for place in PLACES:
        for path in root.path(place).rglob("*"):
            name = path.relative_to(root.folder).as_posix()
            if not KEPT.match(name):
                found.add(name)
    return found


def test_it_is_installed_started_upgraded_and_purged(
    root: Root, packages: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = packages
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

    service = serving(root, tmp_path)
    root.run("blockd", "check", "--config", CONFIG)
    assert "(native engine" in service.log
    assert service.version() == blockd.__version__

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


def test_a_unit_that_has_changed_is_told_and_one_that_has_not_is_not(
    root: Root, packages: tuple[Path, Path], systemctl: Path, tmp_path: Path
) -> None:
    root.run("dpkg", "--install", f"/root/{packages[0].name}")
    service = serving(root, tmp_path)
    changed = "The unit has changed"
    assert changed not in root.run("dpkg", "--install", f"/root/{packages[1].name}").stdout
    until(lambda: service.version() == NEXT, "the new version runs")
    newer = debian.changed(packages[0], tmp_path, "98.0.0", {tree.UNIT: "# More.\n"})
    root.path(f"root/{newer.name}").write_bytes(newer.read_bytes())
    assert changed in root.run("dpkg", "--install", f"/root/{newer.name}").stdout
    assert "daemon-reload" in systemctl.read_text(encoding="ascii")
    assert not root.path("run/blockd.service.before").exists()
    root.run("start-stop-daemon", "--stop", "--user", "blockd", "--retry", "TERM/30")


@pytest.fixture
def systemctl(root: Root) -> Iterator[Path]:
    """systemd as the package's scripts see it: it says that blockd runs. What they ask of it is in the file."""
    asked = root.path("root/systemctl.log")
    program = root.path("usr/local/bin/systemctl")
    program.write_text(f'#!/bin/sh\necho "$@" >>/root/{asked.name}\n', encoding="ascii")
    program.chmod(0o755)
    root.path("run/systemd/system").mkdir(parents=True)
    asked.touch()
    yield asked
    root.run("dpkg", "--purge", "blockd", check=False)
    program.unlink()
    asked.unlink()
    root.path("run/systemd/system").rmdir()
    root.path("run/systemd").rmdir()


def test_with_systemd_a_running_service_changes_over_or_goes_on_where_its_config_is_not_accepted(
    root: Root, packages: tuple[Path, Path], systemctl: Path
) -> None:
    first, second = (f"/root/{deb.name}" for deb in packages)
    root.run("dpkg", "--install", first)
    systemctl.write_text("", encoding="ascii")

    root.path("etc/blockd/names.txt").write_text(f"{LISTED}\n", encoding="ascii")
    good = root.path(CONFIG).read_text(encoding="utf-8")
    root.path(CONFIG).write_text(f"{good}\nunheard_of: 1\n", encoding="utf-8")
    told = root.run("dpkg", "--force-confold", "--install", second)
    assert "this one does not accept /etc/blockd/blockd.yaml" in told.stderr
    assert "unheard_of" in told.stderr
    assert "Mend it, then: blockd upgrade" in told.stderr
    assert "restart" not in systemctl.read_text(encoding="ascii")

    root.path(CONFIG).write_text(good, encoding="utf-8")
    told = root.run("dpkg", "--force-confold", "--install", second)
    assert "goes on" not in told.stderr
    assert "restart blockd.service" in systemctl.read_text(encoding="ascii")  # none answers that could upgrade

    root.run("dpkg", "--purge", "blockd")
    assert "stop blockd.service" in systemctl.read_text(encoding="ascii")
