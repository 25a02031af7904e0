"""The supervisor's side of certificates: it passes them on, and keeps them for whom it starts later."""

from __future__ import annotations

import logging
import os

from blockd.daemon.certificates.handed import take_over
from blockd.daemon.channel import DESCRIPTOR, Message
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs
from blockd.errors import BadCertificate

KINDS = ("worker", "page")  # of processes that serve by TLS

log = logging.getLogger(__name__)


def pass_on(message: Message, jobs: Jobs, family: Family) -> None:
    """Have all that serve by TLS, and those started later, use the certificates that come with a message."""
    descriptor = message.pop(DESCRIPTOR, None)
    if descriptor is None:
        return
    try:
        jobs.certificates = take_over(descriptor)
        for child in family:
            if child.kind in KINDS:
                child.channel.send(message, descriptor)
    except BadCertificate as error:
        log.error("The certificates before stay in use: %s.", error)
    finally:
        os.close(descriptor)
