"""Checks of the daemon that runs with this config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from blockd import __version__
from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.errors import CommandError
from blockd.ruleset.counts import totals

_RESTART = "Restart blockd; the ruleset in force is enforced from the first answer on."
_RELOAD = "`blockd reload` takes it without an interruption; with --dry-run it shows what would change."
_UPGRADE = "`blockd upgrade` has it take the place of the running one, without an interruption."


def readiness(case: Context) -> Iterator[Finding]:
    """Check that the daemon answers and that every worker enforces the list."""
    running = case.running
    if not running.is_alive:
        yield ok("no blockd is running with this config")
        return
    if running.status is None:
        yield bad(
            f"blockd is running (process {running.pid}), but its admin port does not answer: {running.silence}",
            "Read its log; if the config was changed, `systemctl reload blockd` (SIGHUP) has it taken.",
        )
        return
    ruleset = running.status["ruleset"]
    if ruleset is None:
        yield bad(
            "blockd is running, but does not enforce a list yet",
            "See below and `blockd status` for the state of its feeds.",
        )
        return
    behind = [worker["index"] for worker in running.status["workers"] if worker["enforcing"] != ruleset["version"]]
    if behind:
        yield bad(f"workers {behind} do not enforce version {ruleset['version']}", "Read blockd's log.")
    else:
        yield ok(f"every worker enforces version {ruleset['version']}, {totals(ruleset['names'], ruleset['networks'])}")


def refused_feeds(case: Context) -> Iterator[Finding]:
    """Check that the daemon accepts the content of its feeds."""
    feeds = case.running.status["feeds"] if case.running.status else ()
    refused = {feed["name"]: feed["refusal"] for feed in feeds if feed["refusal"]}
    for name, why in refused.items():
        yield bad(
            f"feed {name} is refused: {why}", "`blockd check` shows what is wrong; inform the publisher of the list."
        )
    if not refused:
        yield ok("no feed is refused" if feeds else "no feed is being fetched")


def _changed_config(case: Context, running: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Say what of the config is another than what the daemon runs with, and what to do, for each file."""
    if running is None:
        return  # an older blockd, which is said
    if Path(running["path"]).resolve() != case.config.resolve():
        yield f"it runs with the config {running['path']}, and not with {case.config}", _RESTART
    for file in running["changed"]:
        if file["since"] is None:
            yield f"{file['path']} is gone", "Put it back: a start and a reload need it."
        else:
            yield f"{file['path']} on disk is another since {file['since']}", _RELOAD


def confinement(case: Context) -> Iterator[Finding]:
    """Check that the kernel confines the processes that read what strangers send."""
    status = case.running.status
    version = (status or {}).get("confinement", {}).get("landlock")
    if version is None:
        yield ok("no blockd is running whose processes could be confined")
    elif version:
        yield ok(f"workers and the block page are confined (Landlock {version})")
    else:
        yield warning(
            "the kernel has no Landlock: a worker that was broken into has all rights of blockd's user",
            "Use Linux 6.12 or later, and do not leave out landlock in the kernel's lsm= parameter.",
        )


def outdated_daemon(case: Context) -> Iterator[Finding]:
    """Check that a restart would not change the engine, the version or the config."""
    status = case.running.status
    if status is None:
        yield ok("no blockd is running that could be outdated")
        return
    changed: list[tuple[str, str]] = []
    if status["version"] != __version__:
        changed.append((f"it is blockd {status['version']}, and {__version__} is installed", _UPGRADE))
    try:
        engine = case.machine.engine()[0]
    except CommandError:
        engine = status["engine"]  # reported by the check of the engine
    if status["engine"] != engine:
        changed.append((f"it runs the {status['engine']} engine, and a start would run the {engine} one", _UPGRADE))
    changed += _changed_config(case, status.get("config"))
    for sentence, advice in changed:
        yield warning(f"the running blockd is outdated: {sentence}", advice)
    if not changed:
        yield ok("the running blockd is up to date")
