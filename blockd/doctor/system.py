"""Checks of the system's resources: disk, files, memory, cores, the time, users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.resolver.forwarding.limits import SOCKETS
from blockd.resolver.forwarding.udp_sockets import sockets_each
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Versions
from blockd.transports.binding import RECEIVE_BUFFER
from blockd.transports.descriptors import Shares

FEWEST_DESCRIPTORS = 1024  # files: the default of most systems; with fewer a small flood uses up all
RULESETS_OF_ROOM = 3  # the one in force, the next one, and what the next one is compiled from
LEAST_ROOM = 256 << 20  # octets, if there is no ruleset yet: room for a list of some million names


def state_dir(case: Context) -> Iterator[Finding]:
    """Check that the state folder can be written or created."""
    folder = case.settings.state_dir
    there = _existing(folder)
    if not there.is_dir():
        yield bad(f"{there} is not a folder", f"Name another state_dir, or move {there} away.")
    elif case.machine.is_writable(there):
        yield ok(f"{folder} can be written" if there == folder else f"{folder} can be created")
    elif case.running.pid is not None:
        yield ok(f"{folder} is used by the running blockd; this user may not write there")
    else:
        yield bad(
            f"this user may not write {there}",
            "Change its owner to the user that blockd runs as, or run this as that user.",
        )


def disk_space(case: Context) -> Iterator[Finding]:
    """Check that the next rulesets fit on the disk."""
    there = _existing(case.settings.state_dir)
    versions = Versions(case.settings.state_dir / "rulesets")
    version = versions.current()
    size = 0
    if version is not None and versions.ruleset(version).is_file():
        size = versions.ruleset(version).stat().st_size
    free = case.machine.free_space(there)
    wanted = RULESETS_OF_ROOM * size or LEAST_ROOM
    advice = f"Free space in the file system of {there}, or lower versions.max_size."
    if free < size:
        yield bad(
            f"{_size(free)} are free, but the ruleset alone has {_size(size)}: no new list can be enforced", advice
        )
    elif free < wanted:
        yield warning(f"{_size(free)} are free; an update may need {_size(wanted)}", advice)
    else:
        yield ok(f"{_size(free)} are free; an update may need {_size(wanted)}")


def open_files(case: Context) -> Iterator[Finding]:
    """Check that there are enough descriptors for the sockets to all upstreams, and for connections."""
    allowed = case.machine.descriptors(case.running.pid)
    upstreams = len(Resolution.by(case.settings, Observation.of(case.settings, case.machine)).upstreams)
    shares = Shares.of(case.settings, allowed)
    wanted, sockets = shares.wanted(upstreams), sockets_each(upstreams, shares.upstreams)
    advice = f"Raise the limit to {wanted}: LimitNOFILE in the systemd unit, or `ulimit -n`."
    if allowed < FEWEST_DESCRIPTORS:
        yield bad(f"a process may open {allowed} files; some hundred connections and upstreams use them up", advice)
    elif sockets < SOCKETS:
        yield warning(
            f"a process may open {allowed} files: each upstream is asked from {sockets} ports at a time instead of "
            f"{SOCKETS}, so that its answers are easier to forge",
            advice,
        )
    elif allowed < wanted:
        page = f", the block page {shares.web}" if shares.has_page else ""
        yield warning(
            f"a process may open {allowed} files, not {wanted}: a worker has at most {shares.streams.all} connections"
            f"{shares.by_each}{page}",
            advice,
        )
    else:
        yield ok(f"a process may open at least {min(allowed, wanted)} files")


def receive_buffer(case: Context) -> Iterator[Finding]:
    """Check that the kernel grants the receive buffer that blockd asks for."""
    granted = case.machine.receive_buffer(RECEIVE_BUFFER)
    if granted < RECEIVE_BUFFER:
        yield warning(
            f"the kernel buffers {_size(granted)} of questions for a worker; blockd asks for {_size(RECEIVE_BUFFER)}",
            f"Set net.core.rmem_max={RECEIVE_BUFFER} with sysctl and in /etc/sysctl.d; then restart blockd.",
        )
    else:
        yield ok(f"the kernel buffers {_size(granted)} of questions for a worker")


def workers(case: Context) -> Iterator[Finding]:
    """Check that each worker has a core."""
    count, cores = case.settings.workers, case.machine.cores()
    if count > cores:
        yield warning(
            f"{count} workers share {cores:g} cores and compete for them",
            "Set workers to the number of cores, at least 1, or assign more cores to the container.",
        )
    elif count < int(cores):
        yield ok(f"{count} workers on {cores:g} cores; workers: auto would use all")
    else:
        yield ok(f"{count} workers on {cores:g} cores")


def clock(case: Context) -> Iterator[Finding]:
    """Check that the clock is synchronised: orders and signatures depend on it."""
    synchronised = case.machine.clock_is_synchronised()
    if synchronised is None:
        yield warning(
            "the kernel does not report whether the clock is synchronised", "Compare `date -u` with another machine."
        )
    elif synchronised:
        yield ok("the clock is synchronised")
    else:
        yield warning(
            "the clock is not known to be synchronised; orders begin and end by it",
            "Run chrony (with rtcsync) or systemd-timesyncd on this machine, or on its host.",
        )


def user(case: Context) -> Iterator[Finding]:
    """Check that blockd can become the user of the config."""
    name = case.settings.user
    may = case.machine.may_become(name) if name else True
    if not name:
        yield ok("blockd runs as the user that starts it")
    elif may is None:
        yield bad(f"there is no user {name!r} on this machine", "Create it with useradd --system, or name another one.")
    elif may or case.running.is_alive:
        yield ok(f"blockd becomes {name!r}")
    else:
        yield bad(f"this user may not become {name!r}", "Start blockd as root, or remove the key `user`.")


def _existing(path: Path) -> Path:
    """Return the path, or its nearest ancestor that exists."""
    return next((parent for parent in (path, *path.parents) if parent.exists()), path)


def _size(octets: int) -> str:
    return f"{octets / (1 << 20):,.0f} MiB" if octets >= 1 << 20 else f"{octets / 1024:,.0f} KiB"
