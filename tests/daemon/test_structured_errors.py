"""What clients over DNS over TLS and HTTPS are told by a daemon of a block, which server answers, in which length."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, Feed, blockd, free_port, put, write_list
from tests.tls.certificates import certificate

NAME = "dns.example"
CLIENT_OPTION = 65_432
LISTED = "listed.example"
TEXT = {
    "c": ["mailto:objections@example.net"],
    "s": 6,
    "l": "en",
    "j": "list list, Sample Net",
    "o": "Sample Net",
}
ENCRYPTED = ("tls", "https")
BLOCK = 468  # octets, RFC 8467 section 4.1

pytestmark = pytest.mark.skipif(shutil.which("kdig") is None, reason="kdig (Debian: knot-dnsutils) is not installed")


class Served:
    """A daemon with DNS over TLS and HTTPS."""

    def __init__(self, folder: Path) -> None:
        write_list(folder / "list", [LISTED])
        self.chain = folder / "chain.pem"
        chain, key = certificate(NAME)
        put(folder / "key.pem", key)
        put(self.chain, chain)
        feed: Feed = {
            "name": "list",
            "type": "domains",
            "path": "list",
            "mandate": "operator",
            "contact": "objections@example.net",
        }
        self.daemon = Daemon(
            folder,
            feed,
            certificates=[{"chain": str(self.chain), "key": str(folder / "key.pem")}],
            structured_errors={"client_option": CLIENT_OPTION},
            operator={"name": "Sample Net"},
            server_id="node-7",
        )
        self.ports = {"tcp": self.daemon.dns_port, "tls": free_port(), "https": free_port()}
        self.daemon.listen |= {"dot": [f"127.0.0.1:{self.ports['tls']}"], "doh": [f"127.0.0.1:{self.ports['https']}"]}

    def kdig(self, how: str, *arguments: str) -> str:
        """Return what kdig prints of an answer, over TLS and HTTPS from a server that it has authenticated."""
        trusted = [f"+tls-ca={self.chain}", f"+tls-hostname={NAME}"] if how != "tcp" else []
        command = ["kdig", "@127.0.0.1", "-p", str(self.ports[how]), "+retry=0", "+time=30", f"+{how}"]
        command += [*trusted, *arguments, LISTED]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("structured"))
    with made.daemon:
        yield made


@pytest.mark.parametrize("how", ENCRYPTED)
@pytest.mark.parametrize("option", ["15:0000", f"{CLIENT_OPTION}:"])
def test_a_client_that_asks_over_an_encrypted_transport_is_told_in_json(served: Served, how: str, option: str) -> None:
    answer = served.kdig(how, f"+ednsopt={option}")
    assert "status: NXDOMAIN" in answer
    assert "127.0.0.1" not in re.sub("(?m)^;; .*", "", answer)
    told = re.search(r"EDE: 15 \(Blocked\): '(\{.*\})'", answer)
    assert told is not None, answer
    assert json.loads(told[1].replace('\\"', '"')) == TEXT


@pytest.mark.parametrize(("how", "options"), [("tls", []), ("https", []), ("tcp", ["+ednsopt=15:0000"])])
def test_all_others_are_told_in_words(served: Served, how: str, options: list[str]) -> None:
    answer = served.kdig(how, "+edns", *options)
    assert "status: NOERROR" in answer
    assert "list list, Sample Net; objections: objections@example.net" in answer
    assert re.search(r"(?m)^listed\.example\.\s.*127\.0\.0\.1", answer)


@pytest.mark.parametrize("how", ENCRYPTED)
def test_answers_are_padded_for_a_client_that_pads(served: Served, how: str) -> None:
    sizes = {}
    for options in ("+padding", "+nopadding"):
        found = re.search(r"Received (\d+) B", served.kdig(how, options, "+edns"))
        assert found is not None
        sizes[options] = int(found[1])
    assert sizes["+padding"] == BLOCK
    assert 0 < sizes["+nopadding"] < BLOCK


@pytest.mark.parametrize("how", ["tcp", *ENCRYPTED])
def test_a_client_that_asks_learns_which_server_answered(served: Served, how: str) -> None:
    assert "node-7" in served.kdig(how, "+nsid")
    assert "node-7" not in served.kdig(how, "+edns")


def test_lookup_says_what_such_a_client_gets(served: Served) -> None:
    daemon = served.daemon
    told = blockd("lookup", LISTED, "--json", folder=daemon.folder, config=daemon.config).stdout
    assert json.loads(told)["structured_error"] == {"action": "nxdomain", "code": 15, "text": TEXT}
    lines = blockd("lookup", LISTED, folder=daemon.folder, config=daemon.config).stdout
    assert "browsers get: nxdomain, with Extended DNS Error 15, if they ask for the reason" in lines
