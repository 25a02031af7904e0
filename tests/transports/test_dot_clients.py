"""DNS over TLS as real clients speak it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from pathlib import Path

import dns.message
import dns.query
import pytest

from blockd.metrics import StreamEvent, Transport
from tests.daemon.harness import free_port
from tests.peers import running, unbound
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED, Serving, connections
from tests.transports.loops import PATIENCE, Run, until
from tests.transports.test_dot import NAME, PAIR, events, over_tls
from tests.upstream import UpstreamSimulator

SINKHOLE = "192.0.2.80"  # of the rig


def program(name: str, package: str) -> str:
    """Return a program's path; without it the test is skipped."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} (Debian: {package}) is not installed")
    return path


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The file with what clients trust."""
    path = tmp_path / "authority.pem"
    path.write_bytes(PAIR.chain)
    return path


async def output(*command: str, given: bytes = b"", code: int = 0) -> str:
    """Return what a program writes."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    text = (await process.communicate(given))[0].decode(errors="replace")
    assert process.returncode == code, text
    return text


def kdig(served: Serving, *arguments: str) -> list[str]:
    host, port = served.address
    return [program("kdig", "knot-dnsutils"), f"@{host}", "-p", str(port), "+retry=0", "+time=30", *arguments]


@pytest.mark.parametrize("name", [NAME, "other.example"])
def test_kdig_checks_the_certificate(rig: Rig, run: Run, authority: Path, name: str) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            text = await output(
                *kdig(served, f"+tls-ca={authority}", f"+tls-hostname={name}", LISTED), code=int(name != NAME)
            )
            assert (SINKHOLE in text) == (name == NAME)

    run(main())
    if name == NAME:
        assert events(rig) == {"connection": 1, "handshake": 1}


def test_kdig_asks_all_of_several_on_one_connection(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            text = await output(*kdig(served, "+tls", "+keepopen", "+padding", "+dnssec", LISTED, "AAAA", LISTED, "A"))
            assert SINKHOLE in text
            assert "2001:db8::80" in text

    run(main())
    assert events(rig) == {"connection": 1, "handshake": 1}


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssl_agrees_on_dot_and_resumes(rig: Rig, run: Run, tmp_path: Path, version: str) -> None:
    """Without `-ign_eof` it ends at the end of its input, and in TLS 1.3 that may be before the ticket has come."""
    wire = question(LISTED).to_wire()
    asked = len(wire).to_bytes(2) + wire
    session = tmp_path / "session.pem"

    async def main() -> None:
        async with over_tls(rig, idle=1.0) as served:
            host, port = served.address
            command = [program("openssl", "openssl"), "s_client", "-connect", f"{host}:{port}", "-servername", NAME]
            command += ["-alpn", "dot", f"-tls{version}", "-ign_eof", "-sess_out", str(session)]
            first = await output(*command, given=asked)
            assert "ALPN protocol: dot" in first
            again = await output(*command, "-sess_in", str(session), given=asked)
            assert re.search(r"^Reused, TLSv1", again, re.MULTILINE)

    run(main())
    assert events(rig) == {"connection": 2, "handshake": 2, "resumed": 1}
    assert rig.counters.queries()[Transport.DOT] == 2


@pytest.mark.parametrize("version", ["1", "1_1"])
def test_versions_before_1_2_are_refused(rig: Rig, run: Run, version: str) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            host, port = served.address
            command = [program("openssl", "openssl"), "s_client", "-connect", f"{host}:{port}", f"-tls{version}"]
            await output(*command, "-cipher", "ALL:@SECLEVEL=0", code=1)
            await connections(served, 0)

    run(main())
    assert events(rig) == {"connection": 1, "handshake_failed": 1}


def test_a_client_that_negotiates_again_is_refused(rig: Rig, run: Run) -> None:
    """`R` on a line has s_client do so; it ends when the server refuses."""

    async def main() -> None:
        async with over_tls(rig) as served:
            host, port = served.address
            command = [program("openssl", "openssl"), "s_client", "-connect", f"{host}:{port}", "-tls1_2"]
            text = await output(*command, given=b"R\n", code=1)
            assert "no renegotiation" in text
            await connections(served, 0)

    run(main())


def test_dnsperf_loses_no_question(rig: Rig, run: Run, tmp_path: Path) -> None:
    count = 5000
    asked = tmp_path / "questions"
    asked.write_text(f"{LISTED} A\nweb.telegram.org AAAA\n", encoding="ascii")

    async def main() -> None:
        async with over_tls(rig) as served:
            host, port = served.address
            command = [program("dnsperf", "dnsperf"), "-m", "dot", "-s", host, "-p", str(port), "-d", str(asked)]
            text = await output(*command, "-c", "20", "-n", str(count // 2), "-t", "60", "-q", "200")
            assert re.search(rf"Queries completed: +{count} \(100.00%\)", text), text

    run(main())
    assert rig.counters.queries()[Transport.DOT] == count
    assert rig.counters.stream_events(Transport.DOT)[StreamEvent.HANDSHAKE] == 20


def test_unbound_forwards_over_tls(
    rig: Rig, upstream: UpstreamSimulator, run: Run, authority: Path, tmp_path: Path
) -> None:
    program("unbound", "unbound")
    upstream.plan("www.example", "A", "www.example. 300 IN A 198.51.100.1")
    port = free_port()

    def ask(name: str, seconds: float = PATIENCE) -> dns.message.Message:
        return dns.query.udp(question(name), "127.0.0.1", port=port, timeout=seconds)

    async def main() -> None:
        async with over_tls(rig) as served:
            forward = f"  forward-tls-upstream: yes\n  forward-addr: 127.0.0.1@{served.address[1]}#{NAME}\n"
            command = unbound(tmp_path, port, forward, server=f'  tls-cert-bundle: "{authority}"')

            def work() -> None:
                with running(tmp_path, command, lambda: bool(ask(LISTED, 0.1))):
                    assert ask(LISTED).answer[0][0].to_text() == SINKHOLE
                    assert ask("www.example").answer[0][0].to_text() == "198.51.100.1"

            await asyncio.to_thread(work)
            await until(lambda: not served.server.connections)

    run(main())
    assert events(rig)["handshake"] >= 1


# Not of tests/install-debian.sh: where its package is installed, the machine asks it from then on.
RESOLVED = Path("/lib/systemd/systemd-resolved")
# In a mount namespace of its own, so that this machine's own settings and files are neither read nor written.
OF_ITS_OWN = """
mount -t tmpfs none /run/systemd && mkdir -p /run/systemd/resolve /run/systemd/resolved.conf.d
chown systemd-resolve:systemd-resolve /run/systemd/resolve
cp "$1" /run/systemd/resolved.conf.d/
cp "$2" /run/systemd/authority.pem && chmod a+r /run/systemd/authority.pem
SSL_CERT_FILE=/run/systemd/authority.pem SYSTEMD_LOG_TARGET=console exec "$3"
"""


@pytest.mark.skipif(not RESOLVED.exists(), reason="systemd-resolved is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a mount namespace")
@pytest.mark.skipif(len(socket.if_nameindex()) < 2, reason="systemd-resolved asks nobody without a network")
def test_systemd_resolved_forwards_over_tls(rig: Rig, run: Run, authority: Path, tmp_path: Path) -> None:
    port = free_port()

    def ask(name: str, seconds: float = PATIENCE) -> dns.message.Message:
        return dns.query.udp(question(name), "127.0.0.1", port=port, timeout=seconds)

    async def main() -> None:
        async with over_tls(rig) as served:
            (tmp_path / "test.conf").write_text(
                f"[Resolve]\nDNS=127.0.0.1:{served.address[1]}#{NAME}\nDomains=~.\nFallbackDNS=\nDNSOverTLS=yes\n"
                f"DNSSEC=no\nCache=no\nLLMNR=no\nMulticastDNS=no\nDNSStubListener=no\n"
                f"DNSStubListenerExtra=udp:127.0.0.1:{port}\n",
                encoding="ascii",
            )
            command = [program("unshare", "util-linux"), "-m", "sh", "-ec", OF_ITS_OWN, "sh"]
            command += ["test.conf", str(authority), str(RESOLVED)]

            def work() -> None:
                with running(tmp_path, command, lambda: bool(ask(LISTED, 0.1).answer)):
                    assert ask(LISTED).answer[0][0].to_text() == SINKHOLE

            await asyncio.to_thread(work)
            await until(lambda: not served.server.connections)

    run(main())
    assert events(rig)["handshake"] >= 1
