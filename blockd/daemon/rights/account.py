"""The user that blockd becomes (`user:`): for a moment, to use the state folder, and then for good.

Root binds the ports, reads what the config names, and makes the state folder where nobody else could interfere
(`blockd.daemon.rights.state_folder`). Whatever lies in that folder is opened with the rights of the user: whoever can
put links and files there gets nothing by it that the user could not do.
"""

from __future__ import annotations

# Both else are loaded when they are needed, where the user may not read them.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import contextlib
import encodings.ascii  # noqa: F401
import grp
import os
import pwd
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from blockd.daemon.rights.capabilities import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    bound_by_none,
    has,
    keep_only,
    keep_over_change_of_user,
    make_effective,
    make_inheritable,
)
from blockd.errors import CommandError


@dataclass(frozen=True, slots=True)
class Account:
    """A user with its groups, as the machine has them."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]  # supplementary ones, as initgroups(3) sets them

    @classmethod
    def of(cls, name: str) -> Account:
        """Look up a user; raises KeyError if there is none."""
        entry = pwd.getpwnam(name)
        groups = {group.gr_gid for group in grp.getgrall() if name in group.gr_mem}
        return cls(name, entry.pw_uid, entry.pw_gid, tuple(sorted(groups | {entry.pw_gid})))


def user_name(uid: int) -> str:
    """Return the name of a user, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextlib.contextmanager
def acting_as(account: Account | None) -> Iterator[None]:
    """Have the rights of a user to files in the block, and no others; nothing changes if it is None.

    Raises CommandError if this process may not. Call it only while this process has no other thread.
    """
    if account is None or os.geteuid() == account.uid:
        yield
        return
    groups, gid, uid = os.getgroups(), os.getegid(), os.geteuid()
    with _may_become(account):
        os.setgroups(account.groups)
        os.setegid(account.gid)
        os.seteuid(account.uid)  # the kernel takes the capabilities with it
    try:
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        os.setgroups(groups)


def become(account: Account | None, kept: Collection[int] = ()) -> None:
    """Become a user for good, without any capability but those of `kept` that this process has.

    Only the others are given up if `account` is None and this is not root. Raises CommandError if this process may not,
    or still has a way back.
    """
    if account is not None and (os.getresuid() != (account.uid,) * 3 or os.geteuid() == 0):
        held = [one for one in kept if has(one)]
        if held:
            make_inheritable(held)
            keep_over_change_of_user()
        _become(account)
        if held:
            make_effective(held)
    if os.geteuid() != 0:
        keep_only(kept)
        _check_no_way_back()


def become_reading_all(account: Account | None) -> None:
    """Become a user for good, but for the right to read every file, for what the config names and only root may read.

    Nothing changes if it is None, or if this process has no such right.
    """
    if account is not None and os.geteuid() == 0 != account.uid:
        # A container may lack the first; the second lets this process write too, as root there could.
        kept = next(([one] for one in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if has(one)), [])
        keep_over_change_of_user()
        _become(account)
        make_effective(kept)
        keep_only(kept)


def _become(account: Account) -> None:
    bound_by_none()
    with _may_become(account):
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)


def _check_no_way_back() -> None:
    """Raise CommandError if this process, which is not root, could become root again."""
    for attempt in (os.setuid, os.seteuid, os.setgid, os.setegid):
        if attempt in (os.setgid, os.setegid) and 0 in (os.getgid(), os.getegid(), *os.getresgid()):
            continue  # root's group, which that user has
        with contextlib.suppress(OSError):
            attempt(0)
            raise CommandError("user: this process could become root again; nothing was started. Please report it.")


@contextlib.contextmanager
def _may_become(account: Account) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise CommandError(
            f"user: this process may not become {account.name!r}: start it as root, or remove the key."
        ) from error
