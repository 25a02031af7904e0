"""The list as a response policy zone, for the servers that take one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.bench.names import SINKHOLE
from tests.bench.server import TTL, Server

ZONE = "rpz.bench"
HEAD = f"$ORIGIN {ZONE}.\n$TTL {TTL}\n@ SOA localhost. hostmaster.localhost. 1 3600 600 86400 60\n@ NS localhost.\n"
_UPDATED = 200  # names in one update message, which holds at most 65535 octets


def policy_zone(server: Server, source: Path, name: str) -> Path:
    """Write the names of `source`, and all names under each, as a zone file into the server's folder."""
    return server.translate(source, name, _records, head=HEAD)


def zone_update(port: int, names: Iterable[str]) -> str:
    """Return what nsupdate reads to add the names to the zone."""
    text = [f"server 127.0.0.1 {port}\nzone {ZONE}\n"]
    for number, name in enumerate(names, start=1):
        text += (f"add {name}.{ZONE}. {TTL} A {SINKHOLE}\n", f"add *.{name}.{ZONE}. {TTL} A {SINKHOLE}\n")
        if number % _UPDATED == 0:
            text.append("send\n")
    return "".join([*text, "send\n"])


def _records(name: str) -> str:
    return f"{name} A {SINKHOLE}\n*.{name} A {SINKHOLE}\n"
