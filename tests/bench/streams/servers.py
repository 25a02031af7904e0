"""The servers that are compared over connections: blockd, Unbound, dnsdist and Knot Resolver, each with one thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.bench.peers import Kresd
from tests.bench.powerdns import DnsdistSuffixes
from tests.bench.programs import free_ports
from tests.bench.server import Blockd, Server
from tests.bench.unbound import Unbound
from tests.tls.certificates import certificate

TRANSPORTS = ("tcp", "dot", "doh")  # as dnsperf names them
NAME = "dns.example"
PLACES = 4_000  # connections that a server may hold, where it has such a setting
IDLE = 60  # seconds for which it leaves them idle, where it has one
PATH = "/dns-query"


@dataclass(frozen=True, slots=True)
class Secured:
    """What a server gets beside its list: ports for TLS and HTTPS, a chain and a key."""

    dot: int
    doh: int
    chain: Path
    key: Path

    @classmethod
    def made(cls, folder: Path) -> Secured:
        """Make a certificate with a key on P-256 in a folder, and find ports."""
        dot, doh = free_ports(2)
        made = cls(dot, doh, folder / "chain.pem", folder / "key.pem")
        chain, key = certificate(NAME, "127.0.0.1")
        made.chain.write_bytes(chain)
        made.key.write_bytes(key)
        return made


class StreamServer(Server):
    """A server whose config is written first, and completed then."""

    config_file: ClassVar[str]
    secured: Secured

    def prepare(self) -> None:
        """Write the config, with what listens to connections."""
        super().prepare()  # type: ignore[safe-super]
        self.secured = Secured.made(self.folder)
        path = self.folder / self.config_file
        path.write_text(self.completed(path.read_text(encoding="utf-8"), self.secured), encoding="utf-8")

    def completed(self, config: str, secured: Secured) -> str:
        """Return the config with the listeners."""
        raise NotImplementedError

    def port_of(self, transport: str) -> int:
        """Return where it is asked over a transport."""
        return {"dot": self.secured.dot, "doh": self.secured.doh}.get(transport, self.port)


class BlockdStreams(StreamServer, Blockd):
    """This blockd, to which the load counts as a front end, so that one address may have all connections."""

    config_file = "blockd.yaml"

    def completed(self, config: str, secured: Secured) -> str:
        """Return the config with the listeners."""
        listeners = f'  dot: ["127.0.0.1:{secured.dot}"]\n  doh: ["127.0.0.1:{secured.doh}"]\n'
        return (
            config.replace("listen:\n", f"listen:\n{listeners}", 1)
            + f"certificates: [{{chain: {secured.chain}, key: {secured.key}}}]\n"
            + 'clients: {front_ends: ["127.0.0.1/32"]}\n'
        )


class UnboundStreams(StreamServer, Unbound):
    """Unbound with local zones."""

    config_file = "unbound.conf"

    def completed(self, config: str, secured: Secured) -> str:
        """Return the config with the listeners."""
        return config.replace(
            "server:\n",
            f"""\
server:
  interface: 127.0.0.1@{secured.dot}
  interface: 127.0.0.1@{secured.doh}
  tls-port: {secured.dot}
  https-port: {secured.doh}
  http-endpoint: "{PATH}"
  tls-service-pem: "{secured.chain}"
  tls-service-key: "{secured.key}"
  incoming-num-tcp: {PLACES}
  tcp-idle-timeout: {IDLE * 1000}
  http-query-buffer-size: 64m
  http-response-buffer-size: 64m
""",
            1,
        )


class DnsdistStreams(StreamServer, DnsdistSuffixes):
    """dnsdist with a suffix set; it answers several questions of a connection at once only if it is told to."""

    config_file = "dnsdist.conf"

    def completed(self, config: str, secured: Secured) -> str:
        """Return the config with the listeners."""
        at_once = "maxInFlight=1000, reusePort=true"
        files = f'"{secured.chain}", "{secured.key}"'
        return (
            config.replace(f'setLocal("127.0.0.1:{self.port}")', f'setLocal("127.0.0.1:{self.port}", {{{at_once}}})', 1)
            + f'addTLSLocal("127.0.0.1:{secured.dot}", {files}, {{provider="openssl", {at_once}}})\n'
            + f'addDOHLocal("127.0.0.1:{secured.doh}", {files}, "{PATH}", {{reusePort=true}})\n'
            + f"setMaxTCPClientThreads(1)\nsetTCPRecvTimeout({IDLE})\nsetMaxTCPConnectionsPerClient(0)\n"
        )


class KresdStreams(StreamServer, Kresd):
    """Knot Resolver with a policy zone."""

    config_file = "kresd.conf"

    def completed(self, config: str, secured: Secured) -> str:
        """Return the config with the listeners."""
        return (
            f'net.tls("{secured.chain}", "{secured.key}")\n'
            f'net.listen("127.0.0.1", {secured.dot}, {{kind = "tls"}})\n'
            f'net.listen("127.0.0.1", {secured.doh}, {{kind = "doh2"}})\n'
            f"net.tcp_pipeline(1000)\n{config}"
        )


SERVERS: tuple[type[StreamServer], ...] = (BlockdStreams, UnboundStreams, DnsdistStreams, KresdStreams)
