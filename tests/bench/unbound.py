"""Unbound, with its two ways to block: local zones and a policy zone."""

from __future__ import annotations

from typing import ClassVar

from tests.bench.names import SINKHOLE
from tests.bench.server import CACHE_MB, TTL, UNDER_WAY, Server, lines, said_version
from tests.bench.zone import ZONE, policy_zone
from tests.peers import forward_to, unbound


class _Unbound(Server):
    programs = ("unbound", "unbound-control")
    speaks_tls = True
    modules: ClassVar[str]

    @classmethod
    def version(cls) -> str:
        return said_version("unbound", "-V")

    def config(self, lists: str) -> None:
        """Write the config, with what is particular to how it has the list."""
        upstreams = self.upstreams
        tls = "  forward-tls-upstream: yes\n" if upstreams.name else ""
        bundle = f'  tls-cert-bundle: "{upstreams.authority}"\n' if upstreams.authority else ""
        self._command = unbound(
            self.folder,
            self.port,
            tls + forward_to(*upstreams.ports, name=upstreams.name),
            modules=self.modules,
            server=f"""\
  msg-cache-size: {CACHE_MB}m
  rrset-cache-size: {CACHE_MB}m
  so-rcvbuf: 4m
  outgoing-range: {UNDER_WAY}
  num-queries-per-thread: {UNDER_WAY}
{bundle}""",
            more=f"""\
{lists}
remote-control:
  control-enable: yes
  control-interface: {self.folder}/control
  control-use-cert: no""",
        )

    def command(self) -> list[str]:
        return self._command

    def control(self, *words: str, text: str = "") -> None:
        self.tell("unbound-control", "-c", "unbound.conf", *words, text=text)


class Unbound(_Unbound):
    """Unbound with a local zone for each name."""

    name = "unbound"
    how = "`local-zone: NAME redirect`; the day's names by `unbound-control local_zones` and `local_datas`"
    modules = "iterator"

    def prepare(self) -> None:
        self.translate(
            self.names.listed,
            "blocked.conf",
            lambda name: f'local-zone: "{name}" redirect\nlocal-data: "{name} {TTL} A {SINKHOLE}"\n',
            head="server:\n",
        )
        self.config("include: blocked.conf")

    def prepare_change(self) -> None:
        self._zones = "".join(f"{name} redirect\n" for name in lines(self.names.added))
        self._data = "".join(f"{name} {TTL} A {SINKHOLE}\n" for name in lines(self.names.added))

    def change(self) -> None:
        self.control("local_zones", text=self._zones)
        self.control("local_datas", text=self._data)


class UnboundRpz(_Unbound):
    """Unbound with a policy zone."""

    name = "unbound RPZ"
    how = "a policy zone; the whole file anew by `unbound-control auth_zone_reload`"
    modules = "respip iterator"

    def prepare(self) -> None:
        policy_zone(self, self.names.listed, "rpz.zone")
        self.config(f'rpz:\n  name: "{ZONE}"\n  zonefile: rpz.zone')

    def prepare_change(self) -> None:
        self._grown = policy_zone(self, self.names.grown, "rpz.new")

    def change(self) -> None:
        self._grown.replace(self.folder / "rpz.zone")
        self.control("auth_zone_reload", ZONE)
