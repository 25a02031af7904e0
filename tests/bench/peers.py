"""The servers that operators block names with today: each configured as its manual says, at its best for this work.

All forward to the same upstream with one thread that answers, without DNSSEC and without logs, with the same memory for
their cache where that can be set. Each is told of the day's growth in the cheapest way that it has.
"""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tests.bench.powerdns import DnsdistCdb, DnsdistSuffixes, Recursor
from tests.bench.programs import RUN_TIME
from tests.bench.server import CACHE_MB, UNDER_WAY, Server, lines, said_version
from tests.bench.unbound import Unbound, UnboundRpz
from tests.bench.zone import ZONE, policy_zone, zone_update
from tests.peers import named


class Named(Server):
    """BIND with a policy zone."""

    name = "named"
    programs = ("named", "nsupdate")
    how = "a policy zone; the day's records by `nsupdate`"

    @classmethod
    def version(cls) -> str:
        return said_version("named", "-v")

    def prepare(self) -> None:
        policy_zone(self, self.names.listed, "rpz.zone")
        self._command = named(
            self.folder,
            self.port,
            *self.upstreams.ports,
            options=f"""\
  minimal-responses yes;
  max-cache-size {CACHE_MB}M;
  recursive-clients {UNDER_WAY};
  querylog no;
  response-policy {{ zone "{ZONE}" min-update-interval 0; }}
    qname-wait-recurse no nsip-enable no nsdname-enable no min-update-interval 0;""",
            more=f"""\
logging {{ channel said {{ stderr; severity error; }}; category default {{ said; }}; }};
zone "{ZONE}" {{ type primary; file "rpz.zone"; allow-update {{ 127.0.0.1; }}; check-names ignore; notify no; }};""",
        )

    def command(self) -> list[str]:
        return self._command

    def prepare_change(self) -> None:
        self._update = self.write("update", zone_update(self.port, lines(self.names.added)))

    def change(self) -> None:
        self.tell("nsupdate", "-v", self._update.name)


class Kresd(Server):
    """Knot Resolver with a policy zone."""

    name = "kresd"
    programs = ("kresd",)
    how = "a policy zone by policy.rpz; the whole file anew by the control socket"

    @classmethod
    def version(cls) -> str:
        return said_version("kresd", "--version")

    def prepare(self) -> None:
        policy_zone(self, self.names.listed, "rpz.zone")
        (self.folder / "run").mkdir()
        self.write(
            "kresd.conf",
            f"""\
net.listen("127.0.0.1", {self.port}, {{kind = "dns"}})
net.listen("{self.folder}/control", nil, {{kind = "control"}})
modules.unload("ta_update")
modules.unload("ta_signal_query")
modules.unload("priming")
modules.unload("detect_time_skew")
trust_anchors.remove(".")
cache.open({CACHE_MB} * MB, "lmdb://{self.folder}/cache")
function enforce() blocked = policy.rpz(policy.DENY, "{self.folder}/rpz.zone") end
enforce()
policy.add(function (request, query) return blocked(request, query) end)
policy.add(policy.all(policy.STUB("127.0.0.1@{self.upstream}")))
""",
        )

    def command(self) -> list[str]:
        return ["kresd", "-n", "-q", "-c", str(self.folder / "kresd.conf"), str(self.folder / "run")]

    def prepare_change(self) -> None:
        self._grown = policy_zone(self, self.names.grown, "rpz.new")

    def change(self) -> None:
        self._grown.replace(self.folder / "rpz.zone")
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(RUN_TIME)
            control.connect(str(self.folder / "control"))
            control.sendall(b"enforce() return 1\n")
            said = b""
            while b"1" not in said:
                said += control.recv(1024) or b"1"


class Dnsmasq(Server):
    """dnsmasq, which re-reads no addresses but does re-read which names have no server, and so do not exist."""

    name = "dnsmasq"
    programs = ("dnsmasq",)
    blocked = "NXDOMAIN"
    how = "`server=/NAME/` in a servers-file; the whole file anew by SIGHUP (`address=` would need a restart)"

    @classmethod
    def version(cls) -> str:
        return said_version("dnsmasq", "--version")

    def _servers(self, source: Path, name: str) -> Path:
        upstream = f"server=127.0.0.1#{self.upstream}\n"
        return self.translate(source, name, "server=/{}/\n".format, head=upstream)

    def prepare(self) -> None:
        self._servers(self.names.listed, "servers")
        self.write(
            "dnsmasq.conf",
            f"""\
port={self.port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
no-poll
user=
pid-file
servers-file={self.folder}/servers
cache-size=50000
dns-forward-max={UNDER_WAY}
""",
        )

    def command(self) -> list[str]:
        return ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "-C", "dnsmasq.conf"]

    def prepare_change(self) -> None:
        self._grown = self._servers(self.names.grown, "servers.new")

    def change(self) -> None:
        self._grown.replace(self.folder / "servers")
        self.daemon.signal(signal.SIGHUP)


PEERS: tuple[type[Server], ...] = (
    *(Unbound, UnboundRpz),
    *(DnsdistSuffixes, DnsdistCdb),
    *(Recursor, Named, Kresd, Dnsmasq),
)
