"""The commands as other users of the machine: a member of the group of the admin socket, and somebody else."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from blockd.cli import main
from blockd.daemon.rights.account import Account
from blockd.settings import load
from blockd.times import time_text
from tests.daemon.harness import Daemon, until, write_list

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

OWN = Account.of("daemon")  # a user that every machine has; blockd's in this place
NOBODY = Account.of("nobody")
BLOCKED = "blocked.example"
UNTIL = time_text(time.time() + 86400)
COMMANDS = (
    ("status",),
    ("reload", "--dry-run"),
    ("override", "add", BLOCKED, "--reason", "why", "--until", UNTIL),
    ("override", "list"),
    ("upgrade", "--dry-run", "--from", "/bin/true"),
    ("cache", "show", BLOCKED),
    ("refresh",),
    ("token", "list"),
    ("audit",),
    ("versions",),
    ("lookup", BLOCKED),
    ("held",),
    ("rollback", "--release", "--reason", "why"),
)


class Said(NamedTuple):
    """What a command has said, and the code that it ended with."""

    code: int
    output: str
    errors: str


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    folder = Path(tempfile.mkdtemp(prefix="blockd-users-"))
    folder.chmod(0o755)
    (folder / "node" / "state").mkdir(parents=True)
    os.chown(folder / "node" / "state", OWN.uid, OWN.gid)
    write_list(folder / "list", [BLOCKED])
    try:
        with Daemon(
            folder / "node", {"name": "one", "type": "domains", "path": str(folder / "list")}, user=OWN.name
        ) as running:
            until(running.is_ready, "every worker enforces the list")
            yield running
    finally:
        shutil.rmtree(folder)


def as_user(groups: list[int], daemon: Daemon, *arguments: str) -> Said:
    """Run a command as the user nobody, in some groups more."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                os.setgroups(groups)
                os.setresgid(NOBODY.gid, NOBODY.gid, NOBODY.gid)
                os.setresuid(NOBODY.uid, NOBODY.uid, NOBODY.uid)
                code = main([*arguments, "--config", str(daemon.config)])
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode())
    return Said(code, *said)


@pytest.fixture(scope="module")
def by_command(daemon: Daemon) -> dict[str, tuple[Said, Said]]:
    """What each command says to a stranger, and to a member of the group of the state folder."""
    found = {}
    load(daemon.config)
    for command in COMMANDS:
        # It loads what others may not, where Python is in root's home.
        main([*(word.replace(BLOCKED, "other.example") for word in command), "--config", str(daemon.config)])
        found[" ".join(command[:2])] = as_user([], daemon, *command), as_user([OWN.gid], daemon, *command)
    return found


NO_SOCKET = "The admin socket, which needs no token, cannot be reached: "
STRANGER = {
    "reload --dry-run": "This needs a token with the role operator",
    "override add": "This needs a token with the role operator",
    "override list": "permission denied: ",
    "upgrade --dry-run": "This needs a token with the role operator",
    "cache show": "This needs a token with the role read",
    "refresh": "This needs a token with the role operator",
    "token list": "cannot be read by this user",
    "audit": "permission denied: ",
    "versions": "permission denied: ",
    f"lookup {BLOCKED}": "permission denied: ",
    "held": "permission denied: ",
    "rollback --release": "This needs a token with the role operator",
}


@pytest.mark.parametrize("command", STRANGER)
def test_a_stranger_is_told_what_he_may_not_and_how_he_could(
    by_command: dict[str, tuple[Said, Said]], command: str
) -> None:
    said, _ = by_command[command]
    assert said.code in (1, 2)
    assert said.output == ""
    assert STRANGER[command] in said.errors
    assert "Traceback" not in said.errors
    assert (NO_SOCKET in said.errors) == ("token with" in said.errors) == ("It is for root, and for" in said.errors)
    assert "yet; `blockd run`" not in said.errors, "there is one"
    assert "Restore" not in said.errors, "nothing is damaged"


def test_a_stranger_sees_the_status_as_anybody_on_the_machine(by_command: dict[str, tuple[Said, Said]]) -> None:
    said, _ = by_command["status"]
    assert (said.errors, "feed one" in said.output) == ("", True)


@pytest.mark.parametrize("command", ["status", "reload --dry-run", "override add", "cache show", "refresh"])
def test_a_member_of_the_group_needs_no_token(by_command: dict[str, tuple[Said, Said]], command: str) -> None:
    _, said = by_command[command]
    assert said.errors == ""
    assert said.output


@pytest.mark.parametrize("command", ["override list", "audit", "versions", "held"])
def test_a_member_is_not_told_that_what_he_may_not_read_is_missing_or_damaged(
    by_command: dict[str, tuple[Said, Said]], command: str
) -> None:
    _, said = by_command[command]
    assert "Traceback" not in said.errors
    assert "yet; `blockd run`" not in said.errors
    assert "Restore" not in said.errors
    assert said.output or "permission denied" in said.errors


def test_what_a_member_does_is_recorded_with_his_name(daemon: Daemon, by_command: dict[str, tuple[Said, Said]]) -> None:
    assert by_command["override add"][1].code == 0
    assert daemon.recorded("override")[-1]["by"] == f"user {NOBODY.name}"
