"""dnsdist in front of blockd, by its recipe in config/neighbours/dnsdist: blockd knows for whom it asks, by any way."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest
import yaml

from tests.daemon.harness import PATIENCE, Daemon, free_port, until, write_list
from tests.peers import running
from tests.places import ROOT
from tests.resolver.edge.headers import header
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

RECIPE = ROOT / "config" / "neighbours" / "dnsdist"
SOURCE = "127.0.53.1"  # dnsdist's, in the recipe
PUPIL, GROWN_UP, STRANGER = "127.0.10.1", "127.0.11.1", "127.0.66.1"
GROUPS = [
    {"name": "schools", "networks": ["127.0.10.0/24"], "feeds": ["adult", "national"]},
    {"name": "others", "networks": ["127.0.11.0/24"], "feeds": ["national"]},
]
SINKHOLE = ["127.0.0.1"]
OPEN = ["198.51.100.1"]
HOW = ("udp", "tcp", "tls", "https")

pytestmark = [
    pytest.mark.skipif(not shutil.which("dnsdist"), reason="dnsdist is not installed: tests/install-debian.sh"),
    pytest.mark.skipif(not shutil.which("kdig"), reason="kdig is not installed: tests/install-debian.sh"),
]


class Front:
    """dnsdist, and the blockd behind it."""

    def __init__(self, folder: Path, daemon: Daemon, dot_port: int = 0) -> None:
        """`dot_port` is where it asks over TLS what was asked over TLS or HTTPS; 0 if it does not."""
        self.daemon = daemon
        self._folder = folder
        self._dot_port = dot_port
        self._ports = {how: free_port() for how in ("udp", "tls", "https")}
        self._ports["tcp"] = self._ports["udp"]

    def config(self) -> str:
        """Return the recipe with the test's addresses and files."""
        text = (RECIPE / "dnsdist.conf").read_text(encoding="utf-8")
        if self._dot_port:
            text += (RECIPE / "encrypted.conf").read_text(encoding="utf-8")
            text = text.replace(
                "checkInterval = 1,", "checkInterval = 3600,"
            )  # once, at the start: questions are counted
            text = text.replace("127.0.0.1:8853", f"127.0.0.1:{self._dot_port}")
            for how, port in (("tls", 853), ("https", 443)):
                text = text.replace(f"DSTPortRule({port})", f"DSTPortRule({self._ports[how]})")
        replaced = {
            "0.0.0.0:53": f"127.0.0.1:{self._ports['udp']}",
            "0.0.0.0:853": f"127.0.0.1:{self._ports['tls']}",
            "0.0.0.0:443": f"127.0.0.1:{self._ports['https']}",
            'addLocal("[::]:53")\n': "",
            "127.0.0.1:8053": f"127.0.0.1:{self.daemon.dns_port}",
            "/etc/dnsdist": str(self._folder),
        }
        for theirs, ours in replaced.items():
            assert theirs in text, theirs
            text = text.replace(theirs, ours)
        return text + 'setSecurityPollSuffix("")\n'

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run dnsdist until the end of the block, which begins once it answers."""
        (self._folder / "dnsdist.conf").write_text(self.config(), encoding="utf-8")
        command = ["dnsdist", "--supervised", "--disable-syslog", "-C", "dnsdist.conf"]
        with running(self._folder, command, lambda: self.ask("law.example", "tcp", GROWN_UP)[0] == "NOERROR"):
            yield

    def ask(self, name: str, how: str, source: str, *options: str) -> tuple[str, list[str]]:
        """Ask with kdig from an address; return the rcode and the addresses, or empty ones if there is no answer."""
        command = ["kdig", "@127.0.0.1", "-p", str(self._ports[how]), "-b", source, "+retry=0", f"+time={PATIENCE:.0f}"]
        command += {"udp": [], "tcp": ["+tcp"], "tls": ["+tls"], "https": ["+https"]}[how]
        said = subprocess.run([*command, *options, name, "A"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        rcode = re.search(r"status: (\w+);", said)
        return rcode[1] if rcode else "", re.findall(r"\bA\s+([0-9.]+)$", said, re.MULTILINE)

    @property
    def log(self) -> str:
        """What dnsdist says."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")


def counted(daemon: Daemon, name: str) -> float:
    """Return a counter of the daemon's, with its labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", daemon.get("/metrics")[1].decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


def refused(daemon: Daemon, transport: str) -> float:
    """Return how many headers were missing, wrong, or from others than front ends."""
    return counted(daemon, f'blockd_stream_events_total{{event="proxy_refused",transport="{transport}"}}')


@contextlib.contextmanager
def fronted(folder: Path, upstream: UpstreamSimulator, dot_port: int = 0) -> Iterator[Front]:
    """Run blockd by the recipe, and dnsdist, which asks it over TLS too if a port is given."""
    write_list(folder / "national", ["law.example"])
    write_list(folder / "adult", ["adult.example"])
    chain, key = certificate("dns.example", "127.0.0.1")
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(key)
    recipe = yaml.safe_load((RECIPE / "blockd.yaml").read_text(encoding="utf-8"))
    allow = [network for network in recipe["clients"]["allow"] if network != "127.0.0.0/8"]
    daemon = Daemon(
        folder,
        {"name": "national", "type": "domains", "path": "national", "priority": 10},
        {"name": "adult", "type": "domains", "path": "adult", "priority": 20},
        upstream=upstream.address,
        groups=GROUPS,
        proxy_protocol=recipe["proxy_protocol"],
        clients={"allow": [*allow, "127.0.0.1", "127.0.10.0/24", "127.0.11.0/24"]},
    )
    daemon.listen["dns"] = [f"127.0.0.1:{daemon.dns_port}"]
    if dot_port:
        daemon.listen["dot"] = [f"127.0.0.1:{dot_port}"]
        daemon.settings["certificates"] = [{"chain": "chain.pem", "key": "key.pem"}]
    made = Front(folder, daemon, dot_port)
    with daemon, made.running():
        yield made


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as made:
        for name in ("law.example", "adult.example", "open.example"):
            made.plan(name, "A", f"{name}. 300 IN A 198.51.100.1")
        yield made


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamSimulator) -> Iterator[Front]:
    with fronted(tmp_path_factory.mktemp("dnsdist"), upstream) as made:
        yield made


@pytest.mark.parametrize("how", HOW)
def test_each_client_is_answered_as_itself(front: Front, how: str) -> None:
    for _ in range(3):
        assert front.ask("law.example", how, PUPIL) == ("NOERROR", SINKHOLE)
        assert front.ask("law.example", how, GROWN_UP) == ("NOERROR", SINKHOLE)
        assert front.ask("adult.example", how, PUPIL) == ("NOERROR", SINKHOLE)
        assert front.ask("adult.example", how, GROWN_UP) == ("NOERROR", OPEN)
        assert front.ask("open.example", how, PUPIL) == ("NOERROR", OPEN)
    for transport in ("udp", "tcp"):
        assert refused(front.daemon, transport) == 0


@pytest.mark.parametrize("how", HOW)
def test_client_that_blockd_does_not_serve_is_refused(front: Front, how: str) -> None:
    assert front.ask("open.example", how, STRANGER) == ("REFUSED", [])


def test_health_checks_are_answered(front: Front) -> None:
    before = counted(front.daemon, 'blockd_queries_total{transport="udp"}')
    until(
        lambda: counted(front.daemon, 'blockd_queries_total{transport="udp"}') > before + 1, "dnsdist looks by itself"
    )
    assert refused(front.daemon, "udp") == 0
    assert "as 'up'" in front.log
    assert "as 'down'" not in front.log


def test_who_asks_around_the_front_end_may_send_no_header_and_from_its_address_must(front: Front) -> None:
    daemon = front.daemon
    assert daemon.ask("law.example").addresses == SINKHOLE, "this machine is served without a header"
    before = refused(daemon, "udp")
    question = dns.message.make_query("law.example", "A").to_wire()
    with contextlib.ExitStack() as stack:
        for host, packet in ((SOURCE, question), (GROWN_UP, header(PUPIL) + question)):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            sock.bind((host, 0))
            sock.sendto(packet, ("127.0.0.1", daemon.dns_port))
            before += 1
            until(lambda: refused(daemon, "udp") == before, "it is counted")  # noqa: B023 - waited for at once
            with pytest.raises(BlockingIOError):
                sock.recv(1)


def test_what_was_asked_encrypted_is_asked_over_tls_for_each_client(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    with fronted(tmp_path, upstream, free_port()) as front:
        until(lambda: front.log.count("as 'up'") == 2, "both ways are found to be well")
        for how in HOW:
            before = counted(front.daemon, 'blockd_queries_total{transport="dot"}')
            assert front.ask("adult.example", how, PUPIL) == ("NOERROR", SINKHOLE)
            assert front.ask("adult.example", how, GROWN_UP) == ("NOERROR", OPEN)
            assert front.ask("open.example", how, STRANGER) == ("REFUSED", [])
            asked = counted(front.daemon, 'blockd_queries_total{transport="dot"}') - before
            assert asked == (3 if how in ("tls", "https") else 0)
        assert refused(front.daemon, "dot") == 0
        assert "as 'down'" not in front.log
