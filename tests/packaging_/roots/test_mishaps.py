"""The Debian package where an operator errs, changes his mind or is interrupted: what runs goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from blockd_build.deb import tree

import blockd
from tests.daemon.harness import until
from tests.packaging_ import debian
from tests.packaging_.roots.root import Root
from tests.packaging_.roots.service import CONFIG, LISTED, NEXT, RATE, SINKHOLE, STATE, Load, Service, serving


@pytest.fixture
def debs(packages: tuple[Path, Path]) -> tuple[str, str]:
    """The package and the next, by their paths in the root."""
    first, second = (f"/root/{deb.name}" for deb in packages)
    return first, second


def unharmed(load: Load, service: Service) -> None:
    """Check that a load was answered whole, by the supervisor that it began with."""
    assert load.figure("Queries sent") >= RATE
    assert load.figure("Queries lost") == 0, f"{load.told}\n{service.log}"
    assert service.process.poll() is None, service.log


def interrupted(root: Root, command: str, moment: str) -> None:
    """Run a command of the shell in a session of its own, and kill all of it once `moment`, another one, succeeds."""
    with Path(os.devnull).open("wb") as output:
        process = root.start("setsid", "--wait", "sh", "-c", f"echo $$ >/root/group; {command}", output=output)
    until(lambda: root.run("sh", "-c", moment, check=False).returncode == 0, moment)
    group = root.path("root/group").read_text(encoding="ascii").strip()
    root.run("sh", "-c", f"kill -s KILL -- -{group}")
    process.wait(30)


@pytest.mark.parametrize("linked", [False, True])
def test_an_installation_by_hand_is_left_alone(root: Root, debs: tuple[str, str], *, linked: bool) -> None:
    own = root.path("opt/blockd-0.1.0" if linked else "opt/blockd")
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "activate").touch()
    if linked:
        root.path("opt/blockd").symlink_to(own.name)
    told = root.run("dpkg", "--install", debs[0], check=False)
    assert told.returncode != 0
    assert "/opt/blockd was installed by hand, and nothing in it is changed." in told.stderr
    assert [path.name for path in own.rglob("*")] == ["bin", "activate"]

    root.run("mv", "/opt/blockd", "/opt/blockd-before")
    root.run("dpkg", "--install", debs[0])
    assert root.run("blockd", "--version").stdout.strip() == f"blockd {blockd.__version__}"
    root.run("sh", "-c", "rm -r /opt/blockd-*")


def test_the_same_version_again_and_an_older_one_take_over_as_a_newer_one_does(
    root: Root, debs: tuple[str, str], tmp_path: Path
) -> None:
    first, second = debs
    root.run("dpkg", "--install", second)
    service = serving(root, tmp_path)
    with Load(root, tmp_path) as load:
        again = root.run("dpkg", "--install", second).stdout
        until(lambda: service.version() == NEXT, "it runs again")
        back = root.run("dpkg", "--install", first).stdout
        until(lambda: service.version() == blockd.__version__, "the older one runs")
    assert f"Version {NEXT} has taken the place of version {NEXT}." in again
    assert f"Version {blockd.__version__} has taken the place of version {NEXT}." in back
    unharmed(load, service)


def test_an_installation_that_is_killed_is_ended_by_the_next(root: Root, debs: tuple[str, str], tmp_path: Path) -> None:
    first, second = debs
    root.run("dpkg", "--install", first)
    service = serving(root, tmp_path)
    with Load(root, tmp_path) as load:
        unpacking = "find /opt/blockd -name '*.dpkg-new' | grep -q ."
        interrupted(root, f"dpkg --install {second}", unpacking)
        assert service.address(LISTED) == SINKHOLE
        root.run("dpkg", "--install", second)
        until(lambda: service.version() == NEXT, "the new version runs")

        changing_over = "grep -laz '^upgrade$' /proc/[0-9]*/cmdline | grep -q ."
        interrupted(root, f"dpkg --install {first}", changing_over)
        assert root.run("dpkg-query", "--show", "--showformat=${Status}", "blockd").stdout.endswith("half-configured")
        told = root.run("dpkg", "--configure", "--pending")
        until(lambda: service.version() == blockd.__version__, f"it runs\n{told.stdout}{told.stderr}\n{service.log}")
    unharmed(load, service)
    assert root.run("dpkg", "--verify", "blockd", check=False).stdout.split() == ["??5??????", "c", CONFIG]


def test_a_config_that_both_have_changed_stays_the_operators_and_blockd_goes_on_while_dpkg_asks(
    root: Root, packages: tuple[Path, Path], tmp_path: Path
) -> None:
    root.run("dpkg", "--install", f"/root/{packages[0].name}")
    service = serving(root, tmp_path)
    own = root.path(CONFIG).read_bytes()
    newer = debian.changed(packages[0], tmp_path, "98.0.0", {tree.CONFIG: "# What a later version explains.\n"})
    root.path(f"root/{newer.name}").write_bytes(newer.read_bytes())
    with Load(root, tmp_path) as load:
        told = root.run("dpkg", "--install", f"/root/{newer.name}", check=False)  # with nobody to answer
        assert told.returncode != 0
        assert service.version() == blockd.__version__
        root.run("dpkg", "--force-confold", "--configure", "blockd")
        until(lambda: service.version() == "98.0.0", "the new version runs")
    unharmed(load, service)
    assert root.path(CONFIG).read_bytes() == own
    assert root.path(f"{CONFIG}.dpkg-dist").exists()
    root.run("dpkg", "--purge", "blockd")
    assert not root.path("etc/blockd").exists()


def test_a_purge_ends_where_the_state_is_a_disk_of_its_own(root: Root, debs: tuple[str, str]) -> None:
    root.run("dpkg", "--install", debs[0])
    root.run("mount", "-t", "tmpfs", "tmpfs", STATE)
    try:
        root.run("touch", f"{STATE}/node.key")
        told = root.run("dpkg", "--purge", "blockd")
        assert f"{STATE} is emptied and stays: something is mounted there." in told.stderr
        assert root.run("ls", "-A", STATE).stdout == ""
        assert "blockd" not in root.run("dpkg-query", "--show").stdout
    finally:
        root.run("umount", STATE)
        root.path(STATE).rmdir()


def test_nobody_is_told_of_an_old_version_where_none_runs(root: Root, debs: tuple[str, str], tmp_path: Path) -> None:
    first, second = debs
    root.run("dpkg", "--install", first)
    told = root.run("dpkg", "--install", second)
    assert "blockd does not run, and was not started." in told.stdout

    service = serving(root, tmp_path)
    root.run("start-stop-daemon", "--stop", "--signal", "KILL", "--user", "blockd")
    assert service.process.wait(30) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    until(lambda: root.run("start-stop-daemon", "--status", "--user", "blockd", check=False).returncode, "all are gone")
    assert root.path(f"{STATE}/admin.sock").exists()  # nobody was there to take it away
    told = root.run("dpkg", "--install", first)
    assert "goes on" not in told.stdout + told.stderr
