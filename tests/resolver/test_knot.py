"""Forwarding to a real name server: Knot DNS's knotd."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.metrics import Transport
from blockd.settings import Upstream
from tests.resolver.rig import Rig, order
from tests.upstream import bound

KNOTD = shutil.which("knotd") or "/usr/sbin/knotd"
PATIENCE = 60.0  # seconds for knotd to start on a busy machine
TRIES = 5  # ports that may be taken before knotd has them
TAKEN = "address already in use"  # what knotd says then
ZONE = """\
$ORIGIN example.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
www A 192.0.2.1
www AAAA 2001:db8::1
alias CNAME web.telegram.org.
svc HTTPS 0 web.telegram.org.
""" + "".join(f"big TXT {str(number) * 200}\n" for number in range(9))
CONFIG = """\
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
    any: warning
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: example.
    file: example.zone
"""


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    if not Path(KNOTD).exists():
        pytest.skip("knotd is missing; tests/install-debian.sh installs it")
    folder = tmp_path_factory.mktemp("knot")
    (folder / "db").mkdir()
    (folder / "example.zone").write_text(ZONE)
    for _ in range(TRIES):
        with _running(folder) as (upstream, process):
            if _answers(upstream, process):
                yield upstream
                return
        said = (folder / "log").read_text()
        assert TAKEN in said, said
    raise AssertionError("every port was taken")


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[tuple[Upstream, subprocess.Popen[bytes]]]:
    """Run knotd at a port that was free a moment ago."""
    tcp, udp = bound("127.0.0.1")
    with tcp, udp:
        upstream = Upstream(*udp.getsockname())
    (folder / "knot.conf").write_text(CONFIG.format(port=upstream.port, folder=folder))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([KNOTD, "-c", str(folder / "knot.conf")], stdout=log, stderr=log)  # noqa: S603
    try:
        yield upstream, process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(upstream: Upstream, process: subprocess.Popen[bytes]) -> bool:
    """Ask for the zone's SOA until knotd has loaded it; give whether it has, in time and before its end."""
    query = b"\0\1\0\0\0\1\0\0\0\0\0\0\7example\0\0\6\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        asker.connect((upstream.host, upstream.port))
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            try:
                asker.send(query)
                if asker.recv(512)[3] & 15 == 0:
                    return True
            except ConnectionRefusedError:
                time.sleep(0.02)  # before it listens the kernel answers at once
            except TimeoutError:
                continue
    return False


@pytest.fixture
def knot_rig(tmp_path: Path, knot: Upstream) -> Rig:
    rig = Rig(tmp_path, knot)
    rig.enforce([(order(), ["telegram.org"])])
    return rig


def test_a_name_is_resolved(knot_rig: Rig) -> None:
    assert knot_rig.answer("WWW.example").records == ["300 192.0.2.1"]
    assert knot_rig.answer("www.example", "AAAA").records == ["300 2001:db8::1"]


def test_an_answer_too_large_for_udp_comes_over_tcp(knot_rig: Rig) -> None:
    assert len(knot_rig.answer("big.example", "TXT", Transport.TCP).records) == 9


def test_a_missing_name_is_remembered_for_the_zones_time(knot_rig: Rig) -> None:
    answer = knot_rig.answer("none.example")
    assert (answer.rcode, answer.negative_ttl) == ("NXDOMAIN", 60)


@pytest.mark.parametrize(("name", "kind"), [("alias.example", "A"), ("svc.example", "HTTPS")])
def test_an_answer_that_leads_to_a_listed_name_is_blocked(knot_rig: Rig, name: str, kind: str) -> None:
    answer = knot_rig.answer(name, kind, use_edns=0)
    assert answer.error is not None
    assert answer.error[0] == 16
