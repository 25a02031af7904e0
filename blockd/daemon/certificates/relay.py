"""The supervisor's side of certificates: it passes them on, and keeps them for whom it starts later."""

from __future__ import annotations

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.channel import DESCRIPTOR, Message, discard
from blockd.daemon.processes.children import Child
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.reload.generation import Generation

SERVERS = ("worker", "page")  # kinds of processes that serve by TLS
HOLDERS = (*SERVERS, "control")  # those that have the keys; the last one reads them


def pass_on(message: Message, control: Child, jobs: Jobs, family: Family) -> None:
    """Have all that serve by TLS, and those started later, use the certificates that come with a message of `control`.

    Those are meant that serve by the certificates which it was started with: one that a reload replaces has read those
    of a config that is no longer in force.
    """
    certificates = _of(control)
    if certificates is None or all(one.certificates is not certificates for one in jobs.generations):
        discard(message)
        return
    descriptor = message.pop(DESCRIPTOR, None)
    if descriptor is None:
        return
    certificates.close()
    certificates.descriptor = descriptor  # in place: who forgets it in a child knows this object
    for child in family:
        if child.kind in SERVERS and _of(child) is certificates:
            child.channel.send(message, descriptor)


def _of(child: Child) -> HandedCertificates | None:
    return child.generation.certificates if isinstance(child.generation, Generation) else None
