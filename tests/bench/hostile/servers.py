"""The servers that are compared: blockd, Unbound and BIND, with the same list, in front of a trial's upstreams."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from blockd import __version__
from tests.bench.names import SINKHOLE
from tests.bench.programs import Daemon, find, free_ports, pinned
from tests.bench.server import CACHE_MB, TTL, UNDER_WAY, said_version

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Ports of 127.0.0.1 in their order; over TLS if a `name` is given, which certificates by `authority` have."""

    ports: tuple[int, ...]
    name: str = ""
    authority: Path | None = None


class Server(ABC):
    """One server. It is started with its upstreams, and stopped."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()
    speaks_tls: ClassVar[bool] = True  # to upstreams

    def __init__(self, folder: Path, core: int, listed: Sequence[str]) -> None:
        self.folder = folder
        self.port, *self.others = free_ports(4)
        self._core = core
        self._listed = listed
        self._daemon: Daemon | None = None
        folder.mkdir()

    @classmethod
    def missing(cls) -> list[str]:
        """Return the programs that this machine does not have."""
        return [program for program in cls.programs if find(program) is None]

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Return the version of the program."""

    @abstractmethod
    def configure(self, upstreams: Upstreams) -> list[str]:
        """Write the config; return the command that runs the server in the foreground."""

    def environment(self, upstreams: Upstreams) -> dict[str, str]:
        """Return what the program needs in its environment."""
        del upstreams
        return {}

    def start(self, upstreams: Upstreams) -> None:
        """Start it."""
        command = self.configure(upstreams)
        self._daemon = Daemon(
            pinned(self._core, command), self.folder / "log", self.folder, self.environment(upstreams)
        )

    @property
    def daemon(self) -> Daemon:
        """The running server."""
        assert self._daemon is not None
        return self._daemon

    def stop(self) -> None:
        """End it, if it runs."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def write(self, name: str, text: str) -> Path:
        """Write a file into the server's folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


class Blockd(Server):
    """This blockd, with one worker."""

    name = "blockd"

    @classmethod
    def version(cls) -> str:
        return __version__

    def configure(self, upstreams: Upstreams) -> list[str]:
        self.write("list.txt", "".join(f"{name}\n" for name in self._listed))
        web, tls, admin = self.others
        form = f"tls://127.0.0.1:{{}}#{upstreams.name}" if upstreams.name else "127.0.0.1:{}"
        config = self.write(
            "blockd.yaml",
            f"""\
state_dir: state
workers: 1
listen:
  dns: ["127.0.0.1:{self.port}"]
  block_page: {{http: ["127.0.0.1:{web}"], https: ["127.0.0.1:{tls}"]}}
  admin: "127.0.0.1:{admin}"
sinkhole: {{ipv4: {SINKHOLE}, ttl: {TTL}}}
upstreams: [{", ".join(f'"{form.format(port)}"' for port in upstreams.ports)}]
cache: {{size: {CACHE_MB}M}}
gate: {{public_suffixes: false, protected: []}}
feeds:
  - {{name: national, type: domains, path: list.txt}}
""",
        )
        return [sys.executable, "-m", "blockd", "run", "--config", str(config)]

    def environment(self, upstreams: Upstreams) -> dict[str, str]:
        trusted = {"SSL_CERT_FILE": str(upstreams.authority)} if upstreams.authority else {}
        return {"PYTHONPATH": str(ROOT), **trusted}


class Unbound(Server):
    """Unbound with a local zone for each name."""

    name = "unbound"
    programs = ("unbound",)

    @classmethod
    def version(cls) -> str:
        return said_version("unbound", "-V")

    def configure(self, upstreams: Upstreams) -> list[str]:
        self.write(
            "blocked.conf",
            "server:\n"
            + "".join(
                f'local-zone: "{name}" redirect\nlocal-data: "{name} {TTL} A {SINKHOLE}"\n' for name in self._listed
            ),
        )
        ending = f"#{upstreams.name}" if upstreams.name else ""
        forward = "".join(f"  forward-addr: 127.0.0.1@{port}{ending}\n" for port in upstreams.ports)
        self.write(
            "unbound.conf",
            f"""\
server:
  directory: "{self.folder}"
  interface: 127.0.0.1@{self.port}
  port: {self.port}
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  msg-cache-size: {CACHE_MB}m
  rrset-cache-size: {CACHE_MB}m
  so-rcvbuf: 4m
  outgoing-range: {UNDER_WAY}
  num-queries-per-thread: {UNDER_WAY}
{f'  tls-cert-bundle: "{upstreams.authority}"' if upstreams.authority else ""}
include: blocked.conf
remote-control:
  control-enable: no
forward-zone:
  name: "."
{"  forward-tls-upstream: yes" if upstreams.name else ""}
{forward}""",
        )
        return [find("unbound") or "unbound", "-d", "-c", "unbound.conf"]


class Named(Server):
    """BIND with a policy zone."""

    name = "named"
    programs = ("named",)
    speaks_tls = False  # before 9.19

    @classmethod
    def version(cls) -> str:
        return said_version("named", "-v")

    def configure(self, upstreams: Upstreams) -> list[str]:
        rules = "".join(f"{name} A {SINKHOLE}\n*.{name} A {SINKHOLE}\n" for name in self._listed)
        self.write(
            "rpz.zone",
            f"$ORIGIN rpz.\n$TTL {TTL}\n@ SOA localhost. root.localhost. 1 3600 600 86400 60\n@ NS localhost.\n{rules}",
        )
        forwarders = " ".join(f"127.0.0.1 port {port};" for port in upstreams.ports)
        self.write(
            "named.conf",
            f"""\
options {{
  directory "{self.folder}";
  pid-file none;
  session-keyfile none;
  lock-file none;
  listen-on port {self.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  forwarders {{ {forwarders} }};
  forward only;
  dnssec-validation no;
  minimal-responses yes;
  max-cache-size {CACHE_MB}M;
  recursive-clients {UNDER_WAY};
  querylog no;
  response-policy {{ zone "rpz" min-update-interval 0; }} qname-wait-recurse no nsip-enable no nsdname-enable no;
}};
logging {{ channel said {{ stderr; severity critical; }}; category default {{ said; }}; }};
controls {{ }};
zone "rpz" {{ type primary; file "rpz.zone"; check-names ignore; notify no; }};
""",
        )
        return [find("named") or "named", "-f", "-n", "1", "-c", "named.conf"]


SERVERS: tuple[type[Server], ...] = (Blockd, Unbound, Named)
