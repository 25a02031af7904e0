"""All checks, in the order of the report, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from blockd.doctor import encrypted, forwarding, listening, lists, running, service, software, system
from blockd.doctor.finding import Context, Finding, warning
from blockd.errors import BlockdError

Check: TypeAlias = Callable[[Context], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "config": software.config,
    "engine": software.engine,
    "python": software.python,
    "state folder": system.state_dir,
    "disk space": system.disk_space,
    "open files": system.open_files,
    "receive buffer": system.receive_buffer,
    "workers": system.workers,
    "clock": system.clock,
    "user": system.user,
    "privileges": listening.privileges,
    "ports": listening.ports,
    "ipv6": listening.ipv6,
    "listening": listening.bound,
    "upstream loops": forwarding.upstream_loops,
    "upstreams": forwarding.upstreams,
    "certificates": encrypted.certificates,
    "handshakes": encrypted.handshakes,
    "discovery": encrypted.discovery,
    "page about orders": encrypted.page_about_orders,
    "clients": service.clients,
    "admin port": service.admin_port,
    "sinkhole": service.sinkhole,
    "subscribers": service.sinkhole_of_subscribers,
    "operator": service.operator,
    "feeds": lists.feeds,
    "roots of trust": lists.roots,
    "signatures": lists.signatures,
    "daemon": running.readiness,
    "confinement": running.confinement,
    "refused feeds": running.refused_feeds,
    "outdated": running.outdated_daemon,
    "questions lost": listening.dropped_questions,
}

_UNKNOWN = (OSError, ValueError, LookupError, TypeError, BlockdError)  # for an unexpected kernel, file or daemon


def examine(case: Context) -> list[Finding]:
    """Run every check; one that fails is reported and does not stop the others."""
    found = []
    for name, check in CHECKS.items():
        try:
            findings = list(check(case))
        except _UNKNOWN as error:
            findings = [warning(f"could not be checked: {error!r}", "Check it manually.")]
        found += [replace(finding, name=name) for finding in findings]
    return found
