"""Who makes the state folder, who owns it, and what somebody gets who puts links and folders in its place."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import re
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blockd.daemon.preconditions import _state
from blockd.daemon.rights.account import Account, acting_as, become, become_reading_all
from blockd.daemon.rights.capabilities import keep_over_change_of_user, make_effective
from blockd.daemon.rights.folders_above import exchangeable
from blockd.daemon.rights.state_folder import close_to_others, foreign, make_for, root_prepares
from blockd.daemon.state_dir import StateDir
from blockd.errors import CommandError, RulesetError
from tests.break_in import NEEDS_ROOT, NOBODY, attempted, become_nobody

pytestmark = NEEDS_ROOT
OTHER = Account.of("daemon")  # a user that every machine has
ROUNDS = 300  # of an attacker against a start; each takes about a millisecond


@pytest.fixture
def rooted() -> Iterator[Path]:
    """A folder that nobody but root can change, and neither any above it."""
    with tempfile.TemporaryDirectory(prefix="blockd-test-", dir="/run") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody can enter, in one where everybody can write."""
    with tempfile.TemporaryDirectory(prefix="blockd-test-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


def test_root_makes_the_folder_where_nobody_else_can_interfere(rooted: Path) -> None:
    folder = rooted / "lib" / "blockd"
    before = os.umask(0o077)
    try:
        assert root_prepares(folder, OTHER)
        assert not folder.parent.exists(), "a look makes nothing"
        make_for(folder, OTHER)
    finally:
        os.umask(before)
    assert (owner(folder.parent), owner(folder)) == ((0, 0o755), (OTHER.uid, 0o750))


def test_an_empty_folder_of_root_is_given_to_the_user(rooted: Path) -> None:
    (rooted / "state").mkdir(0o755)
    assert root_prepares(rooted / "state", OTHER)
    make_for(rooted / "state", OTHER)
    assert owner(rooted / "state") == (OTHER.uid, 0o750)


def _with_a_file(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").touch()


def _of_nobody(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)


@pytest.mark.parametrize("make", [_with_a_file, _of_nobody])
def test_a_folder_of_somebody_else_stays_theirs(rooted: Path, make: Callable[[Path], None]) -> None:
    folder = rooted / "state"
    make(folder)
    before = owner(folder), [owner(path) for path in folder.iterdir()]
    assert not root_prepares(folder, OTHER)
    make_for(folder, OTHER)
    assert (owner(folder), [owner(path) for path in folder.iterdir()]) == before


def test_links_of_root_on_the_way_are_followed(rooted: Path) -> None:
    (rooted / "disk").mkdir(0o755)
    (rooted / "lib").symlink_to("disk")
    (rooted / "absolute").symlink_to(rooted / "lib")
    make_for(rooted / "absolute" / "state", OTHER)
    assert owner(rooted / "disk" / "state") == (OTHER.uid, 0o750)


def test_links_in_a_circle_end(rooted: Path) -> None:
    (rooted / "a").symlink_to("b")
    (rooted / "b").symlink_to("a")
    with pytest.raises(CommandError, match="Too many levels of symbolic links"):
        make_for(rooted / "a" / "state", OTHER)
    assert sorted(path.name for path in rooted.iterdir()) == ["a", "b"]


def test_a_state_folder_that_is_a_link_is_refused(rooted: Path) -> None:
    (rooted / "elsewhere").mkdir()
    (rooted / "state").symlink_to("elsewhere")
    with pytest.raises(CommandError, match=r"is a link\. Name the folder that it leads to"):
        make_for(rooted / "state", OTHER)
    assert owner(rooted / "elsewhere")[0] == 0


def test_where_others_can_write_the_user_makes_it(shared: Path) -> None:
    (shared / "open").mkdir()
    (shared / "open").chmod(0o1777)
    make_for(shared / "open" / "state", OTHER)
    assert not (shared / "open" / "state").exists()
    with acting_as(OTHER):
        StateDir(shared / "open" / "state")
    assert owner(shared / "open" / "state") == (OTHER.uid, 0o750)
    with (
        pytest.raises(CommandError, match=f"as root: `install -d -o {OTHER.name} -m 0750 {shared}/state`"),
        acting_as(OTHER),
    ):
        StateDir(shared / "state")


def test_what_belongs_to_others_is_found_without_following_links(shared: Path) -> None:
    (shared / "feeds").mkdir()
    (shared / "feeds" / "link").symlink_to("/tmp")  # noqa: S108 - in which others have files
    assert foreign(shared, 0) is None
    os.chown(shared / "feeds" / "link", NOBODY.pw_uid, -1, follow_symlinks=False)
    assert foreign(shared, 0) == shared / "feeds" / "link"
    assert foreign(shared, OTHER.uid) == shared


def test_a_folder_that_is_open_is_closed_but_for_what_links_lead_to(shared: Path) -> None:
    outside, state = shared / "outside", shared / "state"
    outside.touch()
    outside.chmod(0o666)
    (state / "rulesets").mkdir(parents=True)
    state.chmod(0o777)
    for name, mode in (("a", 0o666), ("b", 0o600), ("rulesets/c", 0o777)):
        (state / name).touch()
        (state / name).chmod(mode)
    (state / "link").symlink_to(outside)
    close_to_others(state)
    assert [owner(state / name)[1] for name in (".", "rulesets", "a", "b", "rulesets/c")] == [
        0o750, 0o750, 0o640, 0o600, 0o640,
    ]  # fmt: skip
    assert owner(outside)[1] == 0o666


def test_a_hostile_neighbour_gets_nothing_by_exchanging_the_folder(shared: Path) -> None:
    """Whoever owns the folder above puts links to root's files and folders of root in its place, at any time."""
    treasure, hostile = shared / "treasure", shared / "hostile"
    for path in (treasure / "empty", treasure / "full", hostile, hostile / "of-root"):
        path.mkdir(parents=True)
    for name in ("lock", "hit-slots.json", "rulesets/current"):
        (treasure / "full" / name).parent.mkdir(exist_ok=True)
        (treasure / "full" / name).write_text("root's own")
        (treasure / "full" / name).chmod(0o666)
    os.chown(hostile, NOBODY.pw_uid, NOBODY.pw_gid)
    known = (hostile / "of-root").stat().st_ino
    state = hostile / "state"

    def everything() -> dict[Path, tuple[tuple[int, int], bytes]]:
        paths = [treasure, *treasure.rglob("*")]
        return {path: (owner(path), path.read_bytes() if path.is_file() else b"") for path in paths}

    attacker = os.fork()
    if attacker == 0:
        become_nobody()
        for turn in itertools.cycle(range(6)):
            with contextlib.suppress(OSError):
                if turn == 0:
                    state.symlink_to(treasure / "empty")
                elif turn == 1:
                    state.symlink_to(treasure / "full")
                elif turn == 2:
                    (hostile / "of-root").rename(state)
                elif turn == 3:
                    state.mkdir(0o777)
                    state.chmod(0o777)
                    (state / "lock").symlink_to(treasure / "full" / "lock")
                    (state / "rulesets").symlink_to(treasure / "full" / "rulesets")
                elif turn == 4:
                    state.rename(hostile / "of-root")
                state.rename(hostile / f"aside-{os.urandom(4).hex()}")
        os._exit(0)
    before = everything()
    try:
        for _ in range(ROUNDS):
            with contextlib.suppress(CommandError, RulesetError, OSError):
                make_for(state, OTHER)
                with acting_as(OTHER):
                    kept = StateDir(state)
                    kept.take_lock().close()
                    kept.secure()
                    kept.tidy()
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)
    assert everything() == before
    of_root = next(path.lstat().st_uid for path in hostile.rglob("*") if path.lstat().st_ino == known)
    assert of_root == 0, "a folder of root has become the user's"


def test_acting_as_a_user_is_for_a_moment_and_becoming_one_for_good(shared: Path) -> None:
    closed = shared / "closed"
    closed.touch(0o600)
    with acting_as(OTHER), pytest.raises(PermissionError):
        closed.read_bytes()
    assert (os.getresuid(), os.geteuid()) == ((0, 0, 0), 0)
    assert closed.read_bytes() == b""
    assert not attempted(closed.read_bytes, lambda: _become(OTHER))
    for back in (os.setuid, os.seteuid, os.setgid):
        assert not attempted(functools.partial(back, 0), lambda: _become(OTHER))
    assert not attempted(lambda: os.setgroups([0]), lambda: _become(OTHER))


def _become(account: Account) -> None:
    become(account)
    assert os.getresuid() == (account.uid,) * 3
    assert os.getresgid() == (account.gid,) * 3
    assert set(os.getgroups()) == set(account.groups)


def test_the_right_to_bind_low_ports_is_dropped_by_whoever_was_started_with_it() -> None:
    """As the systemd unit starts blockd: as its user, with that one capability."""
    bind_service = 10  # CAP_NET_BIND_SERVICE

    def started() -> None:
        keep_over_change_of_user()
        os.setresuid(OTHER.uid, OTHER.uid, OTHER.uid)
        make_effective([bind_service])

    def dropped() -> None:
        started()
        become(None)

    def bind() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 1000))

    assert attempted(bind, started)
    assert not attempted(bind, dropped)
    assert not attempted(lambda: make_effective([bind_service]), dropped)


def test_reading_all_is_reading_only(shared: Path) -> None:
    closed = shared / "closed"
    closed.touch(0o600)

    def standing() -> None:
        become_reading_all(OTHER)

    assert attempted(lambda: closed.read_bytes() == b"", standing)
    assert not attempted(lambda: closed.write_bytes(b"x"), standing)
    assert not attempted(lambda: os.chown(closed, OTHER.uid, -1), standing)
    assert not attempted(lambda: os.setuid(0), standing)


def test_a_user_with_groups_gets_them_as_initgroups_sets_them() -> None:
    for entry in pwd.getpwall()[:8]:
        wanted = set(os.getgrouplist(entry.pw_name, entry.pw_gid))
        assert set(Account.of(entry.pw_name).groups) == wanted


def _nothing(folder: Path) -> None:
    assert folder.is_dir()


def _of_other(folder: Path) -> None:
    os.chown(folder, OTHER.uid, OTHER.gid)


def _of_somebody(folder: Path) -> None:
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def _sticky(folder: Path) -> None:
    folder.chmod(0o1777)


def _of_a_group(folder: Path) -> None:
    os.chown(folder, 0, NOBODY.pw_gid)
    folder.chmod(0o2775)


def _link_of_somebody(folder: Path) -> None:
    folder.rename(folder.with_name("real"))
    folder.symlink_to("real")
    os.chown(folder, NOBODY.pw_uid, -1, follow_symlinks=False)


def _link_of_root(folder: Path) -> None:
    folder.rename(folder.with_name("real"))
    folder.symlink_to(folder.with_name("real"))


def _link_through_what_is_somebodys(folder: Path) -> None:
    theirs = folder.with_name("theirs")
    theirs.mkdir()
    _of_somebody(theirs)
    folder.rename(theirs / "real")
    folder.symlink_to("theirs/../theirs/real")


@pytest.mark.parametrize(
    ("change", "whose"),
    [
        (_nothing, ""),
        (_of_other, ""),
        (_sticky, ""),
        (_of_a_group, ""),
        (_link_of_root, ""),
        (
            _of_somebody,
            f"above, on the way to .*/above/lib/state.*, belongs to {NOBODY.pw_name}, who could put another",
        ),
        (_open_to_all, "above, on the way to .* may be written by everybody, who could put another"),
        (_link_of_somebody, f"above, on the way to .* belongs to {NOBODY.pw_name}"),
        (_link_through_what_is_somebodys, f"theirs, on the way to .* belongs to {NOBODY.pw_name}"),
    ],
)
def test_who_could_exchange_a_folder_above_the_state_is_named(
    rooted: Path, change: Callable[[Path], None], whose: str, caplog: pytest.LogCaptureFixture
) -> None:
    above = rooted / "above"
    state = above / "lib" / "state"
    state.mkdir(parents=True)
    for path in (state, state.parent):
        os.chown(path, OTHER.uid, OTHER.gid)
    change(above)
    for folder in (state, state / "missing"):
        assert bool(re.search(whose, exchangeable(folder, OTHER.uid))) if whose else not exchangeable(folder, OTHER.uid)
    with acting_as(OTHER):
        reasons = list(_state(state))
    assert [bool(re.match(f"state_dir: .*{whose}", reason)) for reason in reasons] == [True] * bool(whose)
    os.chown(state.parent, 0, 0)
    os.chown(state, 0, 0)
    caplog.clear()
    make_for(state, None)
    if change is not _of_other:  # whom root need not trust
        assert bool(re.search(f"runs as root, and .*{whose}", caplog.text)) == bool(whose)
    else:
        assert f"belongs to {OTHER.name}" in caplog.text


def test_a_hostile_owner_further_up_gets_nothing_by_exchanging_a_folder(shared: Path) -> None:
    """Whoever owns the grand-parent puts links to another folder of blockd's user in the parent's place."""
    treasure, hostile = shared / "treasure", shared / "hostile"
    for path in (treasure / "state" / "rulesets", hostile / "lib"):
        path.mkdir(parents=True)
    for name in ("lock", "rulesets/current", "rulesets/000001.orders"):
        (treasure / "state" / name).write_text("of the user")
    for path in (treasure, *treasure.rglob("*"), hostile / "lib"):
        os.chown(path, OTHER.uid, OTHER.gid)
    os.chown(hostile, NOBODY.pw_uid, NOBODY.pw_gid)
    attacker = os.fork()
    if attacker == 0:
        become_nobody()
        while True:
            with contextlib.suppress(OSError):
                (hostile / "lib").rename(hostile / "aside")
                (hostile / "lib").symlink_to(treasure)
                (hostile / "lib").unlink()
                (hostile / "aside").rename(hostile / "lib")
    before = {path: (path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in treasure.rglob("*")}
    try:
        for _ in range(ROUNDS):
            assert not root_prepares(hostile / "lib" / "state", OTHER)
            make_for(hostile / "lib" / "state", OTHER)
            with acting_as(OTHER):
                [reason] = _state(hostile / "lib" / "state")
            assert f"belongs to {NOBODY.pw_name}, who could put another" in reason
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)
    found = {path: (path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in treasure.rglob("*")}
    assert found == before


def test_a_folder_that_somebody_else_makes_on_the_way_meanwhile_is_refused(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sticky(shared)
    made = Path.mkdir

    def too_late(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if path == shared / "lib":
            os.seteuid(0)
            made(path)
            path.chmod(0o777)
            _of_somebody(path)
            os.seteuid(OTHER.uid)
        made(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", too_late)
    with acting_as(OTHER), pytest.raises(CommandError, match=f"belongs to {NOBODY.pw_name}, who could put another"):
        StateDir(shared / "lib" / "state")
    assert not list((shared / "lib").iterdir())
