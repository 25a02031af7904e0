"""The pages on moving over: their configurations side by side, and the differences that they tell of and no others."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest
import yaml

from tests.daemon.harness import Daemon, free_port, has_dig, until
from tests.places import ROOT
from tests.upstream import UpstreamSimulator

PAGES = ROOT / "docs" / "operator" / "moving-over"
COMMAND_TIME = 120.0  # seconds one block of commands may take
LOOK = 1.0  # seconds that a server has for an answer before it is asked again whether it is up
RUNNING = 'sh compare.sh "@127.0.0.1 -p 53" "@127.0.0.1 -p 8053"\n'

# What upstream has for names that no rule keeps from it, and for those that a server without the rule would ask for.
ADDRESSES = {
    "casino.example": "203.0.113.1",
    "www.casino.example": "203.0.113.2",
    "help.casino.example": "203.0.113.3",
    "www.help.casino.example": "203.0.113.4",
    "bets.example": "203.0.113.5",
    "page.example": "203.0.113.6",
    "alias.example": "203.0.113.7",
    "slow.example": "203.0.113.8",
    "wild.example": "203.0.113.9",
    "a.wild.example": "203.0.113.10",
    "landing.open.example": "203.0.113.11",
    "by-address.open.example": "198.51.100.7",
    "www.open.example": "203.0.113.12",
}
ALIASES = {"to-casino.open.example": "casino.example", "to-page.open.example": "page.example"}


@dataclass(frozen=True)
class Peer:
    """A server of one page: the program, how it is run, and what its page leaves to the machine that it is on."""

    program: str
    package: str
    page: str
    files: tuple[str, ...]  # by their titles; the first is its config
    command: tuple[str, ...]
    replaced: Mapping[str, str]  # in its files: {port}, {upstream} and {folder} are those of the test
    added: str = ""  # in front of its config: what keeps it within the test's folder


_UNBOUND = """\
server:
    port: {port}
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
"""
_UNBOUND_REPLACED = {
    "/etc/unbound": "{folder}",
    "127.0.0.1@53": "127.0.0.1@{port}",
    "192.0.2.1@53": "127.0.0.1@{upstream}",
}
_DNSDIST_REPLACED = {"127.0.0.1:53": "127.0.0.1:{port}", "192.0.2.1:53": "127.0.0.1:{upstream}"}
PEERS = {
    "bind": Peer(
        "named",
        "bind9",
        "bind.md",
        ("named.conf",),
        ("named", "-f", "-n", "1", "-c", "named.conf"),
        {
            'directory "/var/cache/bind"': 'directory "{folder}"; pid-file none; session-keyfile none; lock-file none',
            "listen-on port 53": "listen-on port {port}",
            "192.0.2.1 port 53": "127.0.0.1 port {upstream}",
            "port 8053": "port {blockd}",
        },
        "controls { };\n",
    ),
    "unbound": Peer(
        "unbound",
        "unbound",
        "unbound.md",
        ("unbound.conf",),
        ("unbound", "-d", "-c", "unbound.conf"),
        _UNBOUND_REPLACED,
        _UNBOUND,
    ),
    "unbound-zones": Peer(
        "unbound",
        "unbound",
        "unbound.md",
        ("unbound-zones.conf",),
        ("unbound", "-d", "-c", "unbound-zones.conf"),
        _UNBOUND_REPLACED,
        _UNBOUND,
    ),
    "dnsdist": Peer(
        "dnsdist",
        "dnsdist",
        "dnsdist.md",
        ("dnsdist.conf", "blocked.txt"),
        ("dnsdist", "--supervised", "--disable-syslog", "-C", "dnsdist.conf"),
        _DNSDIST_REPLACED,
        'setSecurityPollSuffix("")\n',
    ),
    "dnsdist-cdb": Peer(
        "dnsdist",
        "dnsdist",
        "dnsdist.md",
        ("dnsdist-cdb.conf", "blocked.txt"),
        ("dnsdist", "--supervised", "--disable-syslog", "-C", "dnsdist-cdb.conf"),
        _DNSDIST_REPLACED,
        'setSecurityPollSuffix("")\n',
    ),
    "powerdns": Peer(
        "pdns_recursor",
        "pdns-recursor",
        "powerdns.md",
        ("recursor.conf", "policy.lua"),
        ("pdns_recursor", "--config-dir=."),
        {
            "local-port=53": "local-port={port}",
            "192.0.2.1:53": "127.0.0.1:{upstream}",
            "/etc/powerdns": "{folder}",
        },
        "socket-dir={folder}\ndaemon=no\nwrite-pid=no\ndisable-syslog=yes\ndont-query=\nsecurity-poll-suffix=\n",
    ),
}


@dataclass(frozen=True)
class Fence:
    """A block of a page: the word behind the fence, its title, and the text."""

    kind: str
    title: str
    text: str


def fences(page: str) -> list[Fence]:
    """Return the fenced blocks of a page in their order."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [Fence(*block) for block in found]


def titled(page: str, title: str) -> str:
    """Return the file that a page shows under a title."""
    (text,) = [fence.text for fence in fences(page) if fence.title == title]
    return text


def commands(page: str, start: str) -> str:
    """Return the commands of a page that begin so."""
    (text,) = [fence.text for fence in fences(page) if fence.text.startswith(start)]
    return text


def shown_comparisons(page: str) -> list[str]:
    """Return what a page shows of each of its comparisons, in their order."""
    blocks = fences(page)
    return [after.text for block, after in itertools.pairwise(blocks) if block.text == RUNNING]


def shown_config(page: str, number: int) -> dict[str, Any]:
    """Return a config of blockd that a page shows."""
    told: dict[str, Any] = yaml.safe_load([fence.text for fence in fences(page) if fence.kind == "yaml"][number])
    return told


def run(text: str, folder: Path) -> str:
    """Run commands of a page in a folder; return what they print."""
    done = subprocess.run(  # noqa: S603 - the pages' own commands
        ["/bin/bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIME,
        check=False,
    )
    assert done.returncode == 0, f"{text}\nends with {done.returncode}:\n{done.stdout}{done.stderr}"
    assert not done.stderr, f"{text}\ncomplains:\n{done.stderr}"
    return done.stdout


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as simulator:
        for name, address in ADDRESSES.items():
            simulator.plan(name, "A", f"{name}. 60 IN A {address}")
            simulator.plan(name, "HTTPS", f'{name}. 60 IN HTTPS 1 . alpn="h2" ipv4hint={address}')
        for name, target in ALIASES.items():
            leads = f"{name}. 60 IN CNAME {target}."
            simulator.plan(name, "A", leads, f"{target}. 60 IN A {ADDRESSES[target]}")
            simulator.plan(name, "HTTPS", leads, f'{target}. 60 IN HTTPS 1 . alpn="h2" ipv4hint={ADDRESSES[target]}')
        yield simulator


@contextlib.contextmanager
def running(peer: Peer, folder: Path, **places: object) -> Iterator[int]:
    """Run a page's server with the config shown until the end of the block; yield its port."""
    if not shutil.which(peer.program):
        pytest.skip(f"{peer.program} is not installed (Debian: {peer.package})")
    port = free_port()
    values = {"port": port, "folder": folder, **places}
    for title in peer.files:
        text = titled(peer.page, title)
        for shown, mine in peer.replaced.items():
            text = text.replace(shown, mine.format_map(values))
        if title == peer.files[0]:
            text = peer.added.replace("{port}", str(port)).replace("{folder}", str(folder)) + text
        (folder / title).write_text(text, encoding="utf-8")
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(peer.command, cwd=folder, stdout=log, stderr=log)  # noqa: S603 - of the test's own

    def is_up() -> bool:
        assert process.poll() is None, (folder / "peer.log").read_text(errors="replace")
        query = dns.message.make_query("www.open.example", "A")
        with contextlib.suppress(dns.exception.Timeout):
            return bool(dns.query.udp(query, "127.0.0.1", port=port, timeout=LOOK).answer)
        return False

    try:
        until(is_up, f"{peer.program} answers")
        yield port
    finally:
        process.kill()
        process.wait()


def compared(folder: Path, old: int, new: int) -> str:
    """Run the comparison of the pages; return what it prints."""
    run(commands("index.md", "cat > compare.sh "), folder)
    (folder / "questions").write_text(titled("index.md", "questions"), encoding="utf-8")
    return run(RUNNING.replace('-p 53"', f'-p {old}"').replace('-p 8053"', f'-p {new}"'), folder)


@pytest.mark.skipif(not has_dig(), reason="dig is not on this machine (Debian: bind9-dnsutils)")
@pytest.mark.parametrize(
    ("which", "config", "comparison"),
    [
        ("bind", 0, 0),
        ("bind", 1, 0),
        ("unbound", 0, 0),
        ("unbound-zones", 1, 1),
        ("dnsdist", 0, 0),
        ("dnsdist-cdb", 0, 0),
        ("powerdns", 0, 0),
    ],
)
def test_answers_differ_as_the_page_says(
    tmp_path: Path, upstream: UpstreamSimulator, which: str, config: int, comparison: int
) -> None:
    peer = PEERS[which]
    (tmp_path / "rpz.zone").write_text(titled("index.md", "rpz.zone"), encoding="utf-8")
    told = shown_config(peer.page, config)
    daemon = Daemon(tmp_path, upstream=upstream.address)
    if which == "dnsdist-cdb":
        write_cdb(tmp_path, titled(peer.page, "blocked.txt"))
    with running(peer, tmp_path, upstream=upstream.port, blockd=daemon.dns_port) as port:
        if which == "unbound-zones":
            run(commands(peer.page, "for type in "), tmp_path)
        if which == "bind":
            take_key(tmp_path)
            for feed in told["feeds"]:
                if "primary" in feed:
                    feed["primary"] = feed["primary"].replace(":53", f":{port}")
        daemon.settings |= told
        with daemon:
            until(lambda: all(feed["names"] for feed in daemon.status()["feeds"]), "every list is compiled")
            until(daemon.is_ready, "and enforced")
            assert compared(tmp_path, port, daemon.dns_port) == shown_comparisons(peer.page)[comparison]


def take_key(folder: Path) -> None:
    """Write the TSIG secret of the page on BIND where the page says."""
    (secret,) = re.findall(r'secret "(.*)"', titled("bind.md", "named.conf"))
    path = folder / "transfers.secret"
    path.write_text(secret, encoding="ascii")
    path.chmod(0o600)


def write_cdb(folder: Path, names: str) -> None:
    """Write blocked.cdb with tinycdb: each key is a name as it is on the wire."""
    if not shutil.which("cdb"):
        pytest.skip("cdb is not installed (Debian: tinycdb)")
    keys = [
        b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0" for name in names.split()
    ]
    records = b"".join(b"+%d,1:%b->1\n" % (len(key), key) for key in keys)
    subprocess.run(["cdb", "-c", "blocked.cdb"], cwd=folder, input=records + b"\n", check=True, timeout=COMMAND_TIME)  # noqa: S607


def test_names_come_out_of_a_cdb_file(tmp_path: Path) -> None:
    names = titled("dnsdist.md", "blocked.txt")
    write_cdb(tmp_path, names)
    run(commands("dnsdist.md", "cdb -l "), tmp_path)
    assert sorted((tmp_path / "from-cdb.txt").read_text().split()) == sorted(names.split())
