"""Checks of what the system gives: disk, files, memory, cores, the time, users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.ruleset import Versions
from blockd.transports.binding import DESCRIPTORS, RECEIVE_BUFFER

FEWEST_DESCRIPTORS = 1024  # files: the default of most systems; below it a small flood uses up all
RULESETS_OF_ROOM = 3  # the one in force, the next one, and what the next one is compiled from
LEAST_ROOM = 256 << 20  # octets, where there is no ruleset yet: room for a list of some million names


def state_dir(case: Context) -> Iterator[Finding]:
    """Whether the state folder can be written, or made."""
    folder = case.settings.state_dir
    there = _existing(folder)
    if not there.is_dir():
        yield bad(f"{there} is no folder", f"Name another state_dir, or move {there} away.")
    elif case.machine.is_writable(there):
        yield ok(f"{folder} can be written" if there == folder else f"{folder} can be made")
    elif case.running.pid is not None:
        yield ok(f"{folder} is used by the running blockd; this user may not write there")
    else:
        yield bad(
            f"this user may not write {there}", "Give it to the user that blockd runs as, or run this as that user."
        )


def disk_space(case: Context) -> Iterator[Finding]:
    """Whether the next rulesets fit on the disk."""
    there = _existing(case.settings.state_dir)
    versions = Versions(case.settings.state_dir / "rulesets")
    version = versions.current()
    size = 0
    if version is not None and versions.ruleset(version).is_file():
        size = versions.ruleset(version).stat().st_size
    free = case.machine.free_space(there)
    wanted = RULESETS_OF_ROOM * size or LEAST_ROOM
    advice = f"Make room in the file system of {there}, or set versions.keep lower."
    if free < size:
        yield bad(
            f"{_size(free)} are free, and the ruleset alone has {_size(size)}: no new list can be enforced", advice
        )
    elif free < wanted:
        yield warning(f"{_size(free)} are free; an update may need {_size(wanted)}", advice)
    else:
        yield ok(f"{_size(free)} are free; an update may need {_size(wanted)}")


def open_files(case: Context) -> Iterator[Finding]:
    """Whether there are descriptors for all questions in flight."""
    allowed = case.machine.descriptors(case.running.pid)
    advice = f"Raise the limit to {DESCRIPTORS}: LimitNOFILE in the systemd unit, or `ulimit -n`."
    if allowed < FEWEST_DESCRIPTORS:
        yield bad(f"a process may open {allowed} files; a few hundred questions in flight use them up", advice)
    elif allowed < DESCRIPTORS:
        yield warning(f"a process may open {allowed} files; blockd makes use of {DESCRIPTORS}", advice)
    else:
        yield ok(f"a process may open {min(allowed, DESCRIPTORS)} files and more")


def receive_buffer(case: Context) -> Iterator[Finding]:
    """Whether the kernel holds as many questions as blockd asks for while a worker is busy."""
    granted = case.machine.receive_buffer(RECEIVE_BUFFER)
    if granted < RECEIVE_BUFFER:
        yield warning(
            f"the kernel holds {_size(granted)} of questions for a worker; blockd asks for {_size(RECEIVE_BUFFER)}",
            f"Set net.core.rmem_max={RECEIVE_BUFFER} with sysctl and in /etc/sysctl.d; then restart blockd.",
        )
    else:
        yield ok(f"the kernel holds {_size(granted)} of questions for a worker")


def workers(case: Context) -> Iterator[Finding]:
    """Whether each worker has a core."""
    count, cores = case.settings.workers, case.machine.cores()
    if count > cores:
        yield warning(
            f"{count} workers share {cores:g} cores and wait for each other",
            "Set workers to the number of cores, at least 1, or give the container more of them.",
        )
    elif count < int(cores):
        yield ok(f"{count} workers on {cores:g} cores; workers: auto would use all")
    else:
        yield ok(f"{count} workers on {cores:g} cores")


def clock(case: Context) -> Iterator[Finding]:
    """Whether the clock is right: orders begin and end by it, and signatures expire by it."""
    synchronised = case.machine.clock_is_synchronised()
    if synchronised is None:
        yield warning(
            "the kernel does not tell whether the clock is right", "Compare `date -u` with another machine's."
        )
    elif synchronised:
        yield ok("the clock is synchronised")
    else:
        yield warning(
            "nothing tells the kernel that the clock is synchronised; orders begin and end by it",
            "Run chrony (with rtcsync) or systemd-timesyncd on this machine, or on its host.",
        )


def user(case: Context) -> Iterator[Finding]:
    """Whether blockd can become the user of the config."""
    name = case.settings.user
    may = case.machine.may_become(name) if name else True
    if not name:
        yield ok("blockd stays the user that starts it")
    elif may is None:
        yield bad(f"there is no user {name!r} on this machine", "Make it with useradd --system, or name another one.")
    elif may or case.running.is_alive:
        yield ok(f"blockd becomes {name!r}")
    else:
        yield bad(f"this user may not become {name!r}", "Start blockd as root, or leave the key `user` out.")


def _existing(path: Path) -> Path:
    """Return the path, or the nearest above it that is there."""
    return next((parent for parent in (path, *path.parents) if parent.exists()), path)


def _size(octets: int) -> str:
    return f"{octets / (1 << 20):,.0f} MiB" if octets >= 1 << 20 else f"{octets / 1024:,.0f} KiB"
