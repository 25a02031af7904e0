"""Real name servers as a zone's primary: knotd and named, with a TSIG key, NOTIFY and IXFR."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.daemon.harness import free_port, until

ZONE = "rpz.example"
SECRET = base64.b64encode(b"a secret of thirty-two octets...").decode()
_KNOT = """\
server:
  listen: 127.0.0.1@{port}
  rundir: {folder}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {folder}/db
log:
  - target: stderr
    any: info
key:
  - id: transfers
    algorithm: hmac-sha256
    secret: {secret}
remote:
  - id: blockd
    address: 127.0.0.1@{notified}
    key: transfers
acl:
  - id: transfers
    address: 127.0.0.1
    key: transfers
    action: transfer
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
  - domain: rpz.example.
    file: zone
    notify: blockd
    acl: transfers
"""
_NAMED = """\
key transfers {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify-delay 0; {more}
}};
controls {{ }};
zone "rpz.example" {{
  type primary; file "zone"; ixfr-from-differences yes; allow-transfer {{ key transfers; }};
  notify explicit; also-notify {{ 127.0.0.1 port {notified} key transfers; }};
}};
"""


class RealPrimary:
    """One server of the kind `kind`; `write` gives it the zone, with each record as `owner type data`."""

    def __init__(self, kind: str, folder: Path, notified: int, more: str = "") -> None:
        self.kind = kind
        self.folder = folder
        self.port = free_port()
        self._notified = notified
        self._more = more  # options of named
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """As the config writes it."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def write(self, serial: int, records: Sequence[str], refresh: int = 3600) -> None:
        """Write the zone, and have it loaded where the server runs."""
        lines = [f"$TTL 60\n@ SOA ns.example. hostmaster.example. {serial} {refresh} 60 86400 60\n@ NS ns.example.\n"]
        lines += [f"{record}\n" for record in records]
        temporary = self.folder / "zone.new"
        temporary.write_text("".join(lines), encoding="ascii")
        temporary.replace(self.folder / "zone")
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start it and wait until it answers for the zone."""
        words = {
            "port": self.port,
            "folder": self.folder,
            "secret": SECRET,
            "notified": self._notified,
            "more": self._more,
        }
        (self.folder / "db").mkdir(exist_ok=True)
        config = self.folder / "config"
        config.write_text((_KNOT if self.kind == "knotd" else _NAMED).format(**words), encoding="ascii")
        self._run()
        until(self._answers, f"{self.kind} answers; it says in {self.folder / 'log'} why not")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def _run(self) -> None:
        command = [program_of(self.kind), *([] if self.kind == "knotd" else ["-g"]), "-c", str(self.folder / "config")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)  # noqa: S603

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:  # its port was another's for a moment, see `Daemon`
            self._run()
        query = dns.message.make_query(ZONE, "SOA")
        return dns.query.tcp(query, "127.0.0.1", 1.0, self.port).rcode() in (
            dns.rcode.NOERROR,
            dns.rcode.REFUSED,
        )


def program_of(kind: str) -> str:
    """Return a server's program; skip the test where there is none."""
    found = shutil.which(kind, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{kind} is missing; tests/install-debian.sh installs it")
    return found


def running(kind: str, folder: Path, notified: int, records: Sequence[str], more: str = "") -> Iterator[RealPrimary]:
    """Yield a primary that runs with a zone of serial 1, and stop it."""
    program_of(kind)
    folder.mkdir(parents=True)
    primary = RealPrimary(kind, folder, notified, more)
    primary.write(1, records)
    primary.start()
    try:
        yield primary
    finally:
        primary.stop()
