"""The version in force while it may be damaged: a child verifies it, and it is replaced if it is damaged.

Meanwhile it stays in force, and processes that end are started on it, unless one was ended by SIGBUS: then they would
end again. What could not be verified is tried again until it is known how it stands.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable

from blockd.daemon.processes.children import CONTROL, Child
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.processes.verification import TRIES, VersionCheck, share
from blockd.daemon.state_dir import StateDir

log = logging.getLogger(__name__)


class Suspicion:
    """What is suspected of the version in force, which `jobs` has.

    `forget` closes in a child what only the supervisor needs.
    """

    def __init__(
        self, check: VersionCheck, jobs: Jobs, family: Family, state: StateDir, forget: Callable[[], None]
    ) -> None:
        self._check = check
        self._jobs = jobs
        self._family = family
        self._state = state
        self._forget = forget
        self._version: int | None = None  # that is verified while it is in force
        self._due: float | None = None  # when it is tried again, by the monotonic clock

    @property
    def holds_up(self) -> bool:
        """Whether no process is to be started on the version in force: one was ended by it, and it is verified."""
        return self._version is not None and bool(self._check.evidence) and self._check.tries < TRIES

    def begin(self) -> None:
        """Find the version of a start: verified, or as it is; then it is tried again."""
        self._jobs.enforce(share(self._check.wait(self._forget), self._state))
        if self._jobs.version in self._check.unverified:
            self._version, self._due = self._jobs.version, time.monotonic() + self._check.pause

    def seconds(self, now: float) -> float | None:
        """Return the seconds until the version is tried again; None if it is not."""
        return None if self._due is None else max(0.0, self._due - now)

    def suspect(self, why: str, *, is_evidence: bool = False) -> None:
        """Have the version in force verified; `is_evidence` if a process was ended by reading it."""
        if self._jobs.version is None:
            return
        if self._version != self._jobs.version:
            self._drop()
        if is_evidence:
            self._check.evidence = why
        if self._check.is_running:
            return
        log.error("Version %d may be damaged (%s). It is verified.", self._jobs.version, why)
        self._version = self._jobs.version
        self._check.tries = 0
        self._verify()

    def look(self) -> None:
        """End a child that hangs, and start the next one when it is due."""
        self._check.look()
        if self._version is not None and self._version != self._jobs.version and not self._check.is_running:
            self._drop()
            self._tell()
        if self._due is not None and time.monotonic() >= self._due:
            self._verify()

    def ended(self, child: Child) -> None:
        """Take the end of a child; have another version enforced if the one in force is damaged."""
        result = self._check.ended(child)
        suspected = self._version
        if result is None:
            self._tell()
            self._due = time.monotonic() + self._check.pause
            return
        self._drop()
        self._tell()
        if self._jobs.version != suspected:
            return
        if result.version == suspected:
            log.info("Version %d was verified: it is right, and stays in force.", suspected)
            return
        if result.version is None and suspected not in self._check.damaged:
            return  # it cannot be opened at the moment, and there is no other
        self._jobs.enforce(share(result, self._state))
        instead = f"version {self._jobs.version} is enforced instead" if self._jobs.version else "there is no other"
        log.error("Version %s cannot be used; %s. It is made anew from what the feeds gave.", suspected, instead)
        for one in self._family:
            if one.role == CONTROL:  # it begins anew with what is enforced now, and makes what is missing
                one.is_done = True
                one.reason = "the ruleset that it has mapped is damaged"
                one.send_signal(signal.SIGTERM)
            elif self._jobs.version is not None:
                one.channel.send({"enforce": self._jobs.version}, self._state.states_of(self._jobs.version).descriptor)

    def _drop(self) -> None:
        """Suspect nothing any more."""
        if self._version is not None:
            self._check.unverified.pop(self._version, None)
        self._version, self._due, self._check.evidence = None, None, ""

    def _verify(self) -> None:
        self._due = None
        try:
            self._check.start(self._forget, self._version)
        except OSError as error:
            self._check.tries += 1
            self._due = time.monotonic() + self._check.pause
            log.error(
                "A process cannot be started (%s); version %s stays in force, and is verified later.",
                error.strerror, self._version,
            )  # fmt: skip

    def _tell(self) -> None:
        """Tell the control process what could not be verified."""
        self._family.tell_control({"unverified": self._check.unverified}, "unverified")
