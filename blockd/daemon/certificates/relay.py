"""The supervisor's side of certificates: it passes them on, and keeps them for whom it starts later."""

from __future__ import annotations

from blockd.daemon.channel import DESCRIPTOR, Message
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs

SERVERS = ("worker", "page")  # kinds of processes that serve by TLS
HOLDERS = (*SERVERS, "control")  # those that have the keys; the last one reads them


def pass_on(message: Message, jobs: Jobs, family: Family) -> None:
    """Have all that serve by TLS, and those started later, use the certificates that come with a message."""
    descriptor = message.pop(DESCRIPTOR, None)
    if descriptor is None:
        return
    jobs.generation.certificates.close()
    jobs.generation.certificates.descriptor = descriptor  # in place: who forgets it in a child knows this object
    for child in family:
        if child.kind in SERVERS:
            child.channel.send(message, descriptor)
