"""What this version cannot read of what it was handed is given back, as it came: the version before goes on.

Its children have never stopped, and only it can tell them what to do.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Mapping
from typing import Any

from blockd import __version__
from blockd.daemon.interchange import sealed
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, give_to_program

log = logging.getLogger(__name__)


def give_back(descriptor: int, why: str, variable: str, environment: Mapping[str, str]) -> None:
    """Execute the program before again, with what it has written into the file, and that this one failed.

    Whatever form that has otherwise, `version`, `back` and `request` mean in every one what they mean in
    `blockd.daemon.upgrade.handover`; the descriptors that it names are still as they were passed. Returns if even these
    cannot be read, or if the program before is that which hands over, and takes nothing back; raises OSError.
    """
    try:
        found: dict[str, Any] = json.loads(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        back = [str(word) for word in found["back"]]
        told = {**found, "version": __version__, "back": [], "request": {**found["request"], "failed": why}}
    except (OSError, ValueError, TypeError, KeyError):
        return
    if not back:
        return
    log.critical("%s. Version %s is executed again.", why, found.get("version"))
    file = sealed.put("blockd-handover", told)
    os.set_inheritable(file, True)
    give_to_program(CAP_NET_BIND_SERVICE)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # until the other one handles them
    os.execvpe(back[0], back, {**environment, variable: str(file)})  # noqa: S606 - the program that ran before
