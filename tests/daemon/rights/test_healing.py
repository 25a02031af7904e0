"""A state folder that is closed, taken away or read-only for a while: what is enforced goes on, and it heals.

blockd runs as a user without rights, so that `chmod` means something.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.break_in import NEEDS_ROOT
from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.upstream import UpstreamSimulator

pytestmark = NEEDS_ROOT
USER = pwd.getpwnam("daemon")  # whom every machine has
SINKHOLE = ["127.0.0.1"]
Fault = Callable[[Path], Callable[[], object]]


@pytest.fixture(scope="module")
def daemon(resolver: UpstreamSimulator) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="blockd-test-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the user may enter, and not write: what is taken away is not made anew
        write_list(folder / "list", ["listed.example"])
        (folder / "state").mkdir()
        os.chown(folder / "state", USER.pw_uid, USER.pw_gid)
        feed = {"name": "national", "type": "domains", "path": "list", "interval": "500ms"}
        gate = {"max_shrink": "100%", "max_growth": "1000%"}
        with Daemon(folder, feed, upstream=resolver.address, user=USER.pw_name, gate=gate) as running:
            yield running


def closed(state: Path) -> Callable[[], object]:
    state.chmod(0)
    return lambda: state.chmod(0o750)


def rulesets_closed(state: Path) -> Callable[[], object]:
    (state / "rulesets").chmod(0)
    return lambda: (state / "rulesets").chmod(0o750)


def feeds_closed(state: Path) -> Callable[[], object]:
    (state / "feeds").chmod(0)
    return lambda: (state / "feeds").chmod(0o750)


def taken_away(state: Path) -> Callable[[], object]:
    aside = state.with_name("aside")
    state.rename(aside)
    return lambda: aside.rename(state)


@pytest.mark.parametrize("fault", [closed, rulesets_closed, feeds_closed, taken_away])
def test_blocks_hold_while_the_state_is_out_of_reach_and_it_heals(daemon: Daemon, fault: Fault) -> None:
    def blocks() -> bool:
        return daemon.ask("listed.example", timeout=1.0).addresses == SINKHOLE

    until(daemon.is_ready, "all is well")
    mend = fault(daemon.state_dir)
    try:
        until(lambda: "BlockdStateReadOnly" in alarms(daemon), "it is told")
        for role in ("w", "page", "control"):  # each of them begins anew, without what lies in the folder
            victim = daemon.children(role)[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda: victim not in daemon.children() and len(daemon.children()) == 4, "it is there again")  # noqa: B023
            everywhere(blocks, "blocks hold")
        until(lambda: "BlockdStateReadOnly" in alarms(daemon), "it is told by the new one, too")
        assert daemon.status()["ruleset"] is not None
    finally:
        mend()
    write_list(daemon.folder / "list", ["listed.example", f"{fault.__name__.replace('_', '-')}.example"])
    news = f"{fault.__name__.replace('_', '-')}.example"
    everywhere(lambda: daemon.ask(news).addresses == SINKHOLE, "the next list is enforced")
    until(lambda: daemon.is_ready() and not alarms(daemon) and daemon.get("/healthz")[0] == 200, "all is well")
    assert daemon.refresh()["feeds"], "changes are allowed as before"
    daemon.assert_no_fault()


def alarms(daemon: Daemon) -> list[str]:
    return [alarm["name"] for alarm in daemon.status()["alarms"]]


def _mounted(image: Path, place: Path) -> bool:
    """Mount a file with a file system, which becomes read-only by an error; return whether that is possible here."""
    mount, make = shutil.which("mount"), shutil.which("mkfs.ext4")
    if mount is None or make is None:
        return False
    image.write_bytes(b"")
    os.truncate(image, 32 << 20)
    commands = [[make, "-q", str(image)], [mount, "-o", "loop,errors=remount-ro", str(image), str(place)]]
    return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)  # noqa: S603


def test_a_file_system_that_turns_read_only_while_it_is_used_is_told_and_blocks_hold(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    state, image = tmp_path / "state", tmp_path / "image"
    state.mkdir()
    if not _mounted(image, state):
        pytest.skip("no file system can be mounted here")
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "500ms"}
    try:
        with Daemon(tmp_path, feed, upstream=resolver.address, gate={"max_growth": "1000%"}) as daemon:
            subprocess.run(["mount", "-o", "remount,abort", str(state)], check=False, capture_output=True)  # noqa: S607, S603
            write_list(tmp_path / "list", ["listed.example", "second.example"])
            until(lambda: "BlockdStateReadOnly" in alarms(daemon), "it is told")
            for role in ("w", "control"):
                victim = daemon.children(role)[0]
                os.kill(victim, signal.SIGKILL)
                until(lambda: victim not in daemon.children() and len(daemon.children()) == 4, "it is there again")  # noqa: B023
            everywhere(lambda: daemon.ask("listed.example").addresses == SINKHOLE, "blocks hold")
            assert daemon.ask("second.example").addresses != SINKHOLE
            daemon.assert_no_fault()
    finally:
        subprocess.run(["umount", "-l", str(state)], check=False, capture_output=True)  # noqa: S607, S603
