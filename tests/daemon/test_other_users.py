"""The commands as other users of the machine: a member of the group of the admin socket, and somebody else."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from blockd.cli import main
from blockd.daemon.rights.account import Account
from tests.daemon.harness import Daemon, until, write_list

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

OWN = Account.of("daemon")  # a user that every machine has; blockd's in this place
NOBODY = Account.of("nobody")
BLOCKED = "blocked.example"
COMMANDS = (
    ("status",),
    ("reload", "--dry-run"),
    ("override", "add", BLOCKED, "--reason", "why", "--until", "2027-01-31"),
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
    write_list(folder / "list", [BLOCKED])
    try:
        with Daemon(
            folder / "node", {"name": "one", "type": "domains", "path": str(folder / "list")}, user=OWN.name
        ) as running:
            until(running.is_ready, "every worker enforces the list")
            for command in COMMANDS:  # what they load cannot be loaded by others, where Python lies in root's home
                running.run_verb(*command, "--help")
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


def test_explore(daemon: Daemon) -> None:
    for command in COMMANDS:
        main([*command, "--config", str(daemon.config)])
    for groups in ([], [OWN.gid]):
        for command in COMMANDS:
            said = as_user(groups, daemon, *command)
            print("==", groups, command, said.code, "\n", said.output[:600], "\n--", said.errors[-900:])
    print(daemon.log)
    raise AssertionError
