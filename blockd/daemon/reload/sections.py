"""Which processes each setting concerns: those that a change of it has replaced.

The table is read from a setting's path upwards, so that `listen.dns` counts before `listen`. A test says that every
setting is in it. The control process is concerned by all of them: it tells of the config, and records it.
"""

from __future__ import annotations

from collections.abc import Mapping

from blockd.daemon.processes.children import Kind

_WORKER: tuple[Kind, ...] = ("worker", "control")
_PAGE: tuple[Kind, ...] = ("page", "control")
_CONTROL: tuple[Kind, ...] = ("control",)
_ALL: tuple[Kind, ...] = ("worker", "page", "decide", "control")
_SERVERS: tuple[Kind, ...] = ("worker", "page", "control")

# What only a start can take: the folder is locked, and rights are given up, for as long as the daemon runs.
AT_A_START = ("state_dir", "user")

CONCERNS: Mapping[str, tuple[Kind, ...]] = {
    "state_dir": (),
    "user": (),
    "workers": _ALL,  # which share out memory, and the files that a process may open
    "listen.dns": _SERVERS,  # the page process asks there where names lead
    "listen.dot": _WORKER,
    "listen.doh": _WORKER,
    "listen.block_page": ("page", "decide", "control"),  # whose address both tell
    "listen.public": _PAGE,
    "listen.decide": ("decide", "control"),
    "listen.admin": _CONTROL,
    "listen.admin_names": _CONTROL,
    "listen.admin_socket": _CONTROL,
    "listen.admin_tls": _CONTROL,
    "certificates": _SERVERS,
    "tls": _SERVERS,
    "doh": _WORKER,
    "discovery": _WORKER,
    "public": _ALL,  # workers and decisions name its URL, too
    "proxy_protocol": _WORKER,
    "structured_errors": _WORKER,
    "server_id": _WORKER,
    "clients": _ALL,
    "sinkhole": _ALL,
    "upstreams": _WORKER,
    "upstream": _WORKER,
    "forward": _WORKER,
    "local": _WORKER,
    "canaries": _WORKER,
    "cache": _ALL,  # its `client_ttl` bounds how long any block may be cached
    "operator": _ALL,
    "at_first_start": _ALL,
    "feeds": _WORKER,  # workers hear the primaries of zones (NOTIFY)
    "groups": _ALL,
    "gate": _CONTROL,
    "limits": _CONTROL,
    "versions": _CONTROL,
    "audit": _CONTROL,
    "duty": _CONTROL,
    "log": _ALL,
    "log_level": _ALL,
}


def concerned_by(path: str) -> tuple[Kind, ...]:
    """Return the processes that a setting concerns; all of them if it is not in the table."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        if (kinds := CONCERNS.get(".".join(parts[:length]))) is not None:
            return kinds
    return _ALL
