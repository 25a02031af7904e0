"""The commands of the page about encrypted DNS, asked of a daemon with the page's certificate and config."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.daemon.harness import Daemon, free_port, write_list
from tests.docs.pages import NOT_RUN_HERE, page
from tests.upstream import UpstreamSimulator

PAGE = page("docs/operator/encrypted-dns.md")
BLOCKED = "web.telegram.org"  # in the page's questions
COMMAND_TIME = 60.0  # seconds that one line may take
ASKED = [
    line
    for block in PAGE.blocks
    if block.kind == NOT_RUN_HERE and block.first_line.startswith("dig ")
    for line in block.text.splitlines()
]

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("dig", "curl", "openssl"))),
    reason="dig, curl or openssl (Debian: bind9-dnsutils, curl, openssl) is not installed",
)


def config() -> dict[str, Any]:
    """Return the config that the page writes."""
    text = next(block.text for block in PAGE.commands if "encrypted.yaml" in block.text)
    found: dict[str, Any] = yaml.safe_load(text.partition("<<'CONFIG'\n")[2].partition("CONFIG\n")[0])
    return found


class Served:
    """The page's daemon, and how its commands are asked of it."""

    def __init__(self, folder: Path, resolver: UpstreamSimulator) -> None:
        self.folder, given = folder, config()
        (folder / "config").mkdir()
        self.run(PAGE.commands[0].text)
        write_list(folder / "listed", [BLOCKED])
        named = {key: given[key] for key in ("discovery", "server_id")}
        files = [{key: str(folder / "config" / name) for key, name in one.items()} for one in given["certificates"]]
        feed = {"name": "listed", "type": "domains", "path": "listed"}
        self.daemon = Daemon(folder, feed, upstream=resolver.address, certificates=files, **named)
        dot, doh = free_port(), free_port()
        self.daemon.listen |= {"dot": [f"127.0.0.1:{dot}"], "doh": [f"127.0.0.1:{doh}"]}
        self.ports = {8053: self.daemon.dns_port, 8853: dot, 8443: doh, 8080: self.daemon.http_port}

    def run(self, command: str) -> str:
        """Run a command in the page's folder, and return what it prints."""
        return subprocess.run(  # noqa: S603 - the manual's own commands
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIME,
            check=True,
        ).stdout

    def asked(self, number: int) -> str:
        """Run one of the page's questions, with the daemon's ports; give its output with the page's."""
        line = re.sub(r"\b(8053|8853|8443|8080)\b", lambda found: str(self.ports[int(found[0])]), ASKED[number])
        told = self.run(line)
        for shown, port in self.ports.items():
            told = told.replace(str(port), str(shown))
        return told


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with UpstreamSimulator() as resolver:
        resolver.plan("example.com", "A", "example.com. 60 IN A 192.0.2.200")
        found = Served(tmp_path_factory.mktemp("encrypted"), resolver)
        with found.daemon:
            yield found


def test_the_questions_are_those_that_are_tested() -> None:
    assert [line.split()[0] for line in ASKED] == ["dig", "dig", "dig", "curl", "dig", "dig"]


def test_discovery_tells_of_both_transports(served: Served) -> None:
    assert served.asked(0).splitlines() == [
        '1 dns.isp.example. alpn="dot" port=8853 ipv4hint=127.0.0.1',
        '2 dns.isp.example. alpn="h2" port=8443 ipv4hint=127.0.0.1 key7="/dns-query{?dns}"',
    ]


@pytest.mark.parametrize("number", [1, 2])
def test_a_blocked_name_is_blocked_over_tls_and_over_https(served: Served, number: int) -> None:
    told = served.asked(number)
    assert "status: NOERROR" in told
    assert f"{BLOCKED}.\t60\tIN\tA\t127.0.0.1" in told.replace("\t\t", "\t")
    assert "EDE: " in told


def test_curl_that_resolves_over_https_gets_the_block_page(served: Served) -> None:
    assert served.asked(3).splitlines()[0].startswith("HTTP/1.1 4")


def test_the_server_says_which_it_is(served: Served) -> None:
    assert served.asked(4) == '"jkt-1"\n'


def test_the_server_says_which_it_is_in_every_answer(served: Served) -> None:
    assert '("jkt-1")' in served.asked(5)
