"""The two servers of PowerDNS: dnsdist, with a set in memory and with a database on disk, and the Recursor."""

from __future__ import annotations

import base64
import secrets
from typing import ClassVar

from tests.bench.names import SINKHOLE
from tests.bench.programs import RUN_TIME, free_port
from tests.bench.server import UNDER_WAY, Server, said_version
from tests.bench.zone import policy_zone


class _Dnsdist(Server):
    programs: ClassVar[tuple[str, ...]] = ("dnsdist",)
    rules: ClassVar[str]

    @classmethod
    def version(cls) -> str:
        return said_version("dnsdist", "--version")

    def config(self) -> None:
        """Write the config; `rules` makes the rule, and is written in terms of the function that makes the list."""
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        console = f'setKey("{key}")\ncontrolSocket("127.0.0.1:{free_port()}")\n'
        self.write("console.conf", console)  # the console's own, which reads no list
        self.write(
            "dnsdist.conf",
            f"""\
{console}
setLocal("127.0.0.1:{self.port}")
setSecurityPollSuffix("")
newServer({{address="127.0.0.1:{self.upstream}", sockets=8, checkInterval=60}}):setUp()
getPool(""):setCache(newPacketCache(200000, {{maxTTL=86400}}))
{self.rules}
""",
        )

    def command(self) -> list[str]:
        return ["dnsdist", "--supervised", "--disable-syslog", "-C", "dnsdist.conf"]

    def console(self, lua: str) -> None:
        self.tell("dnsdist", "-C", "console.conf", "-e", lua)


class DnsdistSuffixes(_Dnsdist):
    """dnsdist with a suffix set in memory."""

    name = "dnsdist set"
    how = "a SuffixMatchNode; a new one by the console"
    rules = f"""\
function enforce()
  local names = newSuffixMatchNode()
  for name in io.lines("blocked.txt") do names:add(name) end
  setRules({{newRuleAction(SuffixMatchNodeRule(names), SpoofAction("{SINKHOLE}"))}})
end
enforce()"""

    def prepare(self) -> None:
        self.translate(self.names.listed, "blocked.txt", "{}\n".format)
        self.config()

    def prepare_change(self) -> None:
        self._grown = self.translate(self.names.grown, "grown.txt", "{}\n".format)

    def change(self) -> None:
        self._grown.replace(self.folder / "blocked.txt")
        self.console("enforce()")


class DnsdistCdb(_Dnsdist):
    """dnsdist with the names in a constant database on disk."""

    name = "dnsdist CDB"
    programs = ("dnsdist", "cdb")
    builds = True
    how = "a CDB and KeyValueLookupKeySuffix; a new file by tinycdb's `cdb`, reloaded by the console"
    rules = f"""\
blocked = newCDBKVStore("blocked.cdb", 0)
addAction(KeyValueStoreLookupRule(blocked, KeyValueLookupKeySuffix(2)), SpoofAction("{SINKHOLE}"))"""

    def prepare(self) -> None:
        self._records = self.translate(self.names.listed, "blocked.records", _cdb_record, end="\n")
        self.config()

    def build(self) -> None:
        self.tell("cdb", "-c", "-t", "blocked.tmp", "blocked.cdb", self._records.name)

    def prepare_change(self) -> None:
        self._records = self.translate(self.names.grown, "grown.records", _cdb_record, end="\n")

    def change(self) -> None:
        self.build()
        self.console("blocked:reload()")


def _cdb_record(name: str) -> str:
    """Return a record of cdbmake's input: the name as it is on the wire, and no data."""
    labels = name.split(".")
    wire = "".join(chr(len(label)) + label for label in labels) + "\0"
    return f"+{len(wire)},1:{wire}->1\n"


class Recursor(Server):
    """PowerDNS Recursor with a policy zone."""

    name = "pdns_recursor"
    programs = ("pdns_recursor", "rec_control")
    how = "a policy zone by rpzFile; the whole file anew by `rec_control reload-lua-config`"

    @classmethod
    def version(cls) -> str:
        return said_version("pdns_recursor", "--version")

    def prepare(self) -> None:
        policy_zone(self, self.names.listed, "rpz.zone")
        self.write("policy.lua", 'rpzFile("rpz.zone", {policyName="blocked"})\n')
        self.write(
            "recursor.conf",
            f"""\
local-address=127.0.0.1
local-port={self.port}
socket-dir={self.folder}
threads=1
pdns-distributes-queries=no
max-mthreads={UNDER_WAY}
dnssec=off
forward-zones-recurse=.=127.0.0.1:{self.upstream}
dont-query=
allow-from=127.0.0.0/8
lua-config-file=policy.lua
security-poll-suffix=
daemon=no
write-pid=no
disable-syslog=yes
quiet=yes
loglevel=4
""",
        )

    def command(self) -> list[str]:
        return ["pdns_recursor", f"--config-dir={self.folder}"]

    def prepare_change(self) -> None:
        self._grown = policy_zone(self, self.names.grown, "rpz.new")

    def change(self) -> None:
        self._grown.replace(self.folder / "rpz.zone")
        self.tell("rec_control", f"--socket-dir={self.folder}", f"--timeout={RUN_TIME:.0f}", "reload-lua-config")
