"""Unbound and BIND as peers of a test or a benchmark: configs that keep them within a folder of the test's own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.daemon.harness import until

START_TIME = 300.0  # seconds; a busy machine may take long


def unbound(
    folder: Path, port: int, forward: str, *, modules: str = "iterator", server: str = "", more: str = ""
) -> list[str]:
    """Write `unbound.conf` into a folder; return the command that runs it there in the foreground.

    It has one thread and asks as `forward` says, lines of its forward zone. `server` are more lines of its server
    clause, `more` clauses behind that.
    """
    (folder / "unbound.conf").write_text(
        f"""\
server:
  directory: "{folder}"
  interface: 127.0.0.1@{port}
  port: {port}
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  module-config: "{modules}"
  do-not-query-localhost: no
{server}
{more}
forward-zone:
  name: "."
{forward}
""",
        encoding="utf-8",
    )
    return ["unbound", "-d", "-c", "unbound.conf"]


def forward_to(*ports: int, name: str = "") -> str:
    """Return the lines of a forward zone that ask at ports of 127.0.0.1, of which over TLS a certificate has a name."""
    ending = f"#{name}" if name else ""
    return "".join(f"  forward-addr: 127.0.0.1@{port}{ending}\n" for port in ports)


def named(folder: Path, port: int, *upstreams: int, options: str = "", more: str = "") -> list[str]:
    """Write `named.conf` into a folder; return the command that runs it there in the foreground.

    It has one thread and forwards to ports of 127.0.0.1. `options` are more of its options, `more` statements behind.
    """
    forwarders = " ".join(f"127.0.0.1 port {upstream};" for upstream in upstreams)
    (folder / "named.conf").write_text(
        f"""\
options {{
  directory "{folder}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; forward only; forwarders {{ {forwarders} }}; dnssec-validation no;
{options}
}};
controls {{ }};
{more}
""",
        encoding="utf-8",
    )
    return ["named", "-f", "-n", "1", "-c", "named.conf"]


@contextlib.contextmanager
def running(folder: Path, command: list[str], is_up: Callable[[], bool]) -> Iterator[None]:
    """Run a server in a folder until the end of the block, which begins once it is up."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)  # noqa: S603 - a server of the test's own
    try:
        until(is_up, f"{command[0]} serves, see {folder}/log", START_TIME)
        yield
    finally:
        process.kill()
        process.wait()
