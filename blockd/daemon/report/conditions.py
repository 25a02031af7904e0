"""What `/healthz` and `/readyz` say: whether all processes run, and whether every worker enforces the same version."""

from __future__ import annotations

from blockd.daemon.followers.watch import Followers
from blockd.daemon.processes.supervisor_watch import SupervisorWatch
from blockd.daemon.workers import Workers
from blockd.settings import Settings
from blockd.web.api.control import Condition


def health(workers: Workers, followers: Followers, supervisor: SupervisorWatch, version: int | None) -> Condition:
    """Return whether all processes run, and those that follow workers do so to `version`; all that is wrong is told."""
    found = (supervisor.trouble(), workers.trouble(), *followers.trouble(version))
    if troubles := [one for one in found if one]:
        return Condition(False, "; ".join(troubles))
    return Condition(True, "every worker is running")


def readiness(workers: Workers, version: int | None, settings: Settings) -> Condition:
    """Return whether every worker enforces `version`, None for nothing yet. Followers do not count."""
    if version is None:
        done = "resolved without a policy" if settings.at_first_start == "serve" else "answered with SERVFAIL"
        return Condition(False, f"no list is enforced yet: names are {done}")
    if behind := workers.behind(version):
        return Condition(False, f"workers {behind} do not enforce version {version} yet")
    return Condition(True, f"version {version} is enforced by every worker")
