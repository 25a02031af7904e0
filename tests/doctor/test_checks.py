from __future__ import annotations

import errno
import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from blockd import __version__
from blockd import doctor as checkup
from blockd.dns import types
from blockd.doctor import CHECKS, Context, Finding, Grade, Machine, Running, examine
from blockd.doctor.kernel_sockets import KernelSocket, Program, bound_sockets, holders
from blockd.doctor.machine import Asked
from blockd.doctor.upstream_question import UpstreamQuestion
from blockd.errors import CommandError
from blockd.names import key_from_text
from blockd.resolver.machine.system import STUB
from blockd.settings import SocketAddress, Upstream, load
from blockd.times import time_text
from blockd.transports.binding import RECEIVE_BUFFER
from tests.upstream import Fault, UpstreamSimulator, closed_port

NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
DAY = 86_400
OURS = Program(100, 1, "blockd")
THEIRS = Program(7, 1, "dnsmasq")
RESOLVED = Program(8, 1, "systemd-resolve")


@dataclass
class Fake(Machine):
    """A machine on which all is well, but for what a test says."""

    engine_told: tuple[str, str] | CommandError = ("native", "")
    python_told: tuple[int, int, int] = (3, 12, 1)
    cores_told: float = 2.0
    descriptors_told: int = 65_536
    buffer_told: int = RECEIVE_BUFFER
    synchronised: bool | None = True
    lowest_port: int = 0
    become: bool | None = True
    addresses: set[str] = field(default_factory=lambda: {"127.0.0.1", "::1", "10.0.0.5", "fd00::5"})
    taken: dict[SocketAddress, Program | None] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)  # by host
    writable: bool = True
    readable: bool = True
    free: int = 1 << 40
    drops: int = 0
    system: list[Upstream] | OSError = field(default_factory=lambda: [Upstream("10.0.0.1", 53)])
    stub: list[Upstream] = field(default_factory=list)
    answers: dict[str, Asked] = field(default_factory=dict)  # by host
    asked: list[UpstreamQuestion] = field(default_factory=list)

    def now(self) -> float:
        return NOW

    def engine(self) -> tuple[str, str]:
        if isinstance(self.engine_told, CommandError):
            raise self.engine_told
        return self.engine_told

    def python(self) -> tuple[int, int, int]:
        return self.python_told

    def cores(self) -> float:
        return self.cores_told

    def descriptors(self, pid: int | None) -> int:
        return self.descriptors_told

    def receive_buffer(self, wanted: int) -> int:
        return min(wanted, self.buffer_told)

    def clock_is_synchronised(self) -> bool | None:
        return self.synchronised

    def may_bind(self, port: int) -> bool:
        return port >= self.lowest_port

    def may_become(self, user: str) -> bool | None:
        return self.become

    def has_address(self, host: str) -> bool:
        return host in self.addresses

    def attempt(self, address: SocketAddress, kind: socket.SocketKind) -> OSError | None:
        code = self.errors.get(address.host, 0)
        if not code and not self.may_bind(address.port):
            code = errno.EACCES
        if not code and any(one.clashes_with(address) for one in self.taken):
            code = errno.EADDRINUSE
        return OSError(code, os.strerror(code)) if code else None

    def sockets(self, kind: socket.SocketKind) -> list[KernelSocket]:
        drops = self.drops if kind == socket.SOCK_DGRAM else 0
        return [KernelSocket(address, number, drops) for number, address in enumerate(self.taken)]

    def holder(self, inode: int) -> Program | None:
        return list(self.taken.values())[inode]

    def is_writable(self, path: Path) -> bool:
        return self.writable

    def is_readable(self, path: Path) -> bool:
        return self.readable

    def free_space(self, folder: Path) -> int:
        return self.free

    def system_upstreams(self) -> list[Upstream]:
        if isinstance(self.system, OSError):
            raise self.system
        return self.system

    def stub_upstreams(self) -> list[Upstream]:
        return self.stub

    def owns_address(self, host: str) -> bool:
        return host in self.addresses

    def ask(self, questions: Sequence[UpstreamQuestion], timeout: float) -> list[Asked]:
        self.asked = list(questions)
        return [self.answers.get(question.upstream.host, Asked(0.01)) for question in questions]


class Examined:
    """A config in a folder of its own that is well set up, but for what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "list").write_text("listed.example\n")
        self.settings: dict[str, Any] = {
            "state_dir": "state",
            "workers": 2,
            "listen": {
                "dns": ["10.0.0.5:53", "[fd00::5]:53"],
                "block_page": {
                    "http": ["10.0.0.5:80", "[fd00::5]:80"],
                    "https": ["10.0.0.5:443", "[fd00::5]:443"],
                },
                "admin": "127.0.0.1:9053",
            },
            "sinkhole": {"ipv4": "10.0.0.5", "ipv6": "fd00::5"},
            "operator": {"name": "Provider", "url": "https://www.provider.id/", "contact": "abuse@provider.id"},
            "feeds": [{"name": "list", "type": "domains", "path": "list"}],
        }
        self.machine = Fake()
        self.running = Running()

    def case(self) -> Context:
        path = self.folder / "blockd.yaml"
        path.write_text(yaml.safe_dump(self.settings), encoding="utf-8")
        os.utime(path, (NOW - DAY, NOW - DAY))
        return Context(path, load(path), self.machine, self.running)

    def find(self, check: str) -> list[Finding]:
        return list(CHECKS[check](self.case()))

    def assert_ok(self, check: str) -> None:
        assert {finding.grade for finding in self.find(check)} == {Grade.OK}

    def assert_finds(self, check: str, grade: Grade, *words: str) -> None:
        findings = [finding for finding in self.find(check) if finding.grade == grade]
        assert len(findings) == 1, self.find(check)
        told = f"{findings[0].found} {findings[0].advice}"
        assert findings[0].advice
        assert [word for word in words if word not in told] == [], told

    def config(self, *changed: dict[str, object], name: str = "blockd.yaml") -> dict[str, object]:
        """Return what a daemon says of the config that it runs with."""
        return {"path": str(self.folder / name), "since": time_text(NOW - 60), "digest": "ab", "changed": changed}

    def run(self, **more: object) -> None:
        """Have a daemon run that has every port."""
        status = {
            "version": __version__,
            "engine": "native",
            "since": time_text(NOW - 60),
            "config": self.config(),
            "ruleset": {"version": 3, "names": 5, "networks": 2},
            "feeds": [{"name": "list", "refusal": None}],
            "workers": [{"index": index, "pid": 101 + index, "enforcing": 3} for index in range(2)],
            **more,
        }
        self.running = Running(OURS.pid, status)
        listen = self.settings["listen"]
        texts = [*listen["dns"], *listen["block_page"]["http"], *listen["block_page"]["https"], listen["admin"]]
        for text in texts:
            host, _, port = text.rpartition(":")
            self.machine.taken[SocketAddress(host.strip("[]"), int(port))] = OURS


@pytest.fixture
def examined(tmp_path: Path) -> Examined:
    return Examined(tmp_path)


@pytest.mark.parametrize("runs", [False, True])
def test_all_is_well(examined: Examined, runs: bool) -> None:
    if runs:
        examined.run()
    found = examine(examined.case())
    assert [finding for finding in found if finding.grade != Grade.OK] == []
    assert {finding.name for finding in found} == set(CHECKS)
    assert [finding for finding in found if finding.advice] == []


def test_check_that_fails_says_so_and_stops_no_other(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> bool:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Fake, "clock_is_synchronised", fail)
    found = examine(examined.case())
    assert {finding.name for finding in found} == set(CHECKS)
    (failed,) = [finding for finding in found if finding.grade != Grade.OK]
    assert failed.name == "clock"
    assert "could not be checked" in failed.found


def test_python_engine_is_a_warning_with_the_reason(examined: Examined) -> None:
    examined.machine.engine_told = ("python", "the native one was not built.")
    examined.assert_finds("engine", Grade.WARNING, "the native one was not built")


def test_engine_that_cannot_run_is_bad(examined: Examined) -> None:
    examined.machine.engine_told = CommandError("BLOCKD_ENGINE is 'fast'")
    examined.assert_finds("engine", Grade.BAD, "BLOCKD_ENGINE is 'fast'")
    examined.run()
    examined.assert_ok("outdated")


def test_old_python_is_bad(examined: Examined) -> None:
    examined.machine.python_told = (3, 10, 9)
    examined.assert_finds("python", Grade.BAD, "3.10.9")


def test_state_folder_that_cannot_be_written_is_bad(examined: Examined) -> None:
    examined.machine.writable = False
    examined.assert_finds("state folder", Grade.BAD, str(examined.folder))


def test_state_folder_of_the_running_daemons_user_is_ok(examined: Examined) -> None:
    examined.machine.writable = False
    examined.run()
    examined.assert_ok("state folder")


def test_state_folder_that_is_a_file_is_bad(examined: Examined) -> None:
    examined.settings["state_dir"] = "list"
    examined.assert_finds("state folder", Grade.BAD, "not a folder")


def _ruleset(examined: Examined, size: int) -> None:
    folder = examined.folder / "state" / "rulesets"
    folder.mkdir(parents=True)
    (folder / "current").write_text("3\n")
    (folder / "000003.ruleset").write_bytes(b"\0" * size)


@pytest.mark.parametrize(("free", "grade"), [(300, Grade.OK), (299, Grade.WARNING), (99, Grade.BAD)])
def test_disk_has_room_for_three_rulesets(examined: Examined, free: int, grade: Grade) -> None:
    _ruleset(examined, 100 * 1024)
    examined.machine.free = free * 1024
    (finding,) = examined.find("disk space")
    assert finding.grade == grade
    assert f"{free} KiB" in finding.found


def test_small_disk_is_a_warning_before_the_first_ruleset(examined: Examined) -> None:
    examined.machine.free = 100 << 20
    examined.assert_finds("disk space", Grade.WARNING, "100 MiB")


@pytest.mark.parametrize(("limit", "grade"), [(512, Grade.BAD), (4096, Grade.WARNING), (sys.maxsize, Grade.OK)])
def test_limit_of_open_files(examined: Examined, limit: int, grade: Grade) -> None:
    examined.machine.descriptors_told = limit
    assert [finding.grade for finding in examined.find("open files")] == [grade]


def test_limit_of_open_files_that_leaves_upstreams_few_ports_says_so(examined: Examined) -> None:
    examined.machine.system = [Upstream(f"10.0.0.{last}", 53) for last in range(20, 36)]
    examined.machine.descriptors_told = 4096
    examined.assert_finds("open files", Grade.WARNING, "from 126 ports at a time instead of 256")


def test_limit_of_open_files_that_leaves_clients_few_connections_says_so(examined: Examined) -> None:
    examined.machine.descriptors_told = 4043
    examined.assert_finds("open files", Grade.WARNING, " connections over TCP, the block page ")


def test_small_receive_buffer_is_a_warning_with_the_setting(examined: Examined) -> None:
    examined.machine.buffer_told = 212_992
    examined.assert_finds("receive buffer", Grade.WARNING, "208 KiB", f"net.core.rmem_max={RECEIVE_BUFFER}")


@pytest.mark.parametrize(("cores", "grade"), [(1.5, Grade.WARNING), (2.0, Grade.OK), (8.0, Grade.OK)])
def test_each_worker_needs_a_core(examined: Examined, cores: float, grade: Grade) -> None:
    examined.machine.cores_told = cores
    assert [finding.grade for finding in examined.find("workers")] == [grade]


@pytest.mark.parametrize("synchronised", [False, None])
def test_clock_that_nobody_keeps_is_a_warning(examined: Examined, synchronised: bool | None) -> None:
    examined.machine.synchronised = synchronised
    examined.assert_finds("clock", Grade.WARNING)


@pytest.mark.parametrize(
    ("may", "runs", "grade"),
    [(True, False, Grade.OK), (False, True, Grade.OK), (False, False, Grade.BAD), (None, False, Grade.BAD)],
)
def test_user_must_be_there_and_be_one_to_become(
    examined: Examined, may: bool | None, runs: bool, grade: Grade
) -> None:
    examined.settings["user"] = "somebody"
    examined.machine.become = may
    if runs:
        examined.run()
    assert [finding.grade for finding in examined.find("user")] == [grade]


def test_low_ports_without_the_right_to_bind_them_are_bad(examined: Examined) -> None:
    examined.machine.lowest_port = 1024
    examined.assert_finds("privileges", Grade.BAD, "53, 80, 443", "CAP_NET_BIND_SERVICE")
    examined.assert_ok("ports")  # which are nobody's: one cause is told once


def test_low_ports_of_the_running_daemon_are_ok_for_any_user(examined: Examined) -> None:
    examined.machine.lowest_port = 1024
    examined.run()
    examined.assert_ok("privileges")
    examined.assert_ok("ports")


def test_high_ports_need_no_privileges(examined: Examined) -> None:
    examined.settings["listen"] = {}
    examined.machine.lowest_port = 1024
    examined.assert_ok("privileges")


def test_port_of_another_program_is_bad_and_its_name_told(examined: Examined) -> None:
    examined.machine.taken[SocketAddress("10.0.0.5", 80)] = THEIRS
    examined.assert_finds("ports", Grade.BAD, "listen.block_page.http 10.0.0.5:80 (TCP)", "dnsmasq (process 7)")


def test_port_of_another_program_is_bad_beside_a_running_daemon(examined: Examined) -> None:
    examined.run()
    examined.machine.taken[SocketAddress("10.0.0.5", 443)] = THEIRS
    examined.assert_finds("ports", Grade.BAD, "10.0.0.5:443", "dnsmasq")


@pytest.mark.parametrize(
    ("setting", "port"), [("dot", 853), ("doh", 8443), ("public.http", 8081), ("public.https", 8445), ("decide", 9054)]
)
def test_ports_of_every_listener_are_looked_at(examined: Examined, setting: str, port: int) -> None:
    section, _, key = setting.rpartition(".")
    listen = examined.settings["listen"]
    for name in filter(None, [section]):
        listen = listen.setdefault(name, {})
    listen[key] = [f"10.0.0.5:{port}"]
    examined.settings["certificates"] = [{"chain": "chain.pem", "key": "key.pem"}]
    examined.machine.taken[SocketAddress("10.0.0.5", port)] = THEIRS
    examined.assert_finds("ports", Grade.BAD, f"listen.{setting} 10.0.0.5:{port} (TCP)", "dnsmasq (process 7)")


def test_a_unix_socket_that_cannot_be_listened_on_is_bad(examined: Examined, tmp_path: Path) -> None:
    path = tmp_path / "decide.sock"
    examined.settings["listen"]["decide"] = [f"unix:{path}"]
    assert [one.grade for one in examined.find("ports")] == [Grade.OK]
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert [one.grade for one in examined.find("ports")] == [Grade.OK], "nobody listens there any more"
        other.listen()
        examined.assert_finds("ports", Grade.BAD, f"listen.decide unix:{path} cannot be listened on", "another program")
    path.unlink()
    path.mkdir()
    examined.assert_finds("ports", Grade.BAD, f"listen.decide unix:{path} cannot be listened on", "something else")
    examined.settings["listen"]["decide"] = [f"unix:{tmp_path}/none/decide.sock"]
    examined.assert_finds("ports", Grade.BAD, "decide.sock cannot be listened on", "there is no folder")


def test_port_of_an_unseen_program_is_bad(examined: Examined) -> None:
    examined.machine.taken[SocketAddress("10.0.0.5", 80)] = None
    examined.assert_finds("ports", Grade.BAD, "cannot see", "sport = :80")


def test_ports_of_a_daemon_of_another_user_are_ok(examined: Examined) -> None:
    examined.run()
    examined.machine.taken = dict.fromkeys(examined.machine.taken)
    examined.assert_ok("ports")


def test_stub_of_systemd_in_the_way_is_told_with_the_way_out(examined: Examined) -> None:
    examined.settings["listen"]["dns"] = ["0.0.0.0:53"]
    examined.machine.taken[SocketAddress("127.0.0.53", 53)] = RESOLVED
    found = examined.find("ports")
    assert [finding.grade for finding in found] == [Grade.BAD, Grade.BAD]  # UDP and TCP
    assert all("DNSStubListener=no" in finding.advice for finding in found)


def test_port_that_the_running_daemon_lacks_is_a_warning(examined: Examined) -> None:
    examined.run()
    del examined.machine.taken[SocketAddress("10.0.0.5", 80)]
    examined.assert_finds("ports", Grade.WARNING, "10.0.0.5:80", "`blockd reload`")


def test_address_of_no_machine_is_bad(examined: Examined) -> None:
    examined.settings["listen"]["admin"] = "10.0.0.6:9053"
    examined.machine.errors["10.0.0.6"] = errno.EADDRNOTAVAIL
    examined.assert_finds("ports", Grade.BAD, "this machine does not have that address")


def test_missing_ipv6_beside_ipv4_is_a_warning(examined: Examined) -> None:
    examined.machine.addresses.discard("fd00::5")
    examined.machine.errors["fd00::5"] = errno.EADDRNOTAVAIL
    assert {finding.grade for finding in examined.find("ipv6")} == {Grade.WARNING}
    examined.assert_ok("ports")


def test_missing_ipv6_alone_is_bad(examined: Examined) -> None:
    examined.settings["listen"]["dns"] = ["[fd00::6]:53"]
    examined.machine.errors["fd00::6"] = errno.EADDRNOTAVAIL
    examined.assert_finds("ipv6", Grade.BAD, "listen.dns [fd00::6]:53")


def test_config_without_ipv6_needs_none(examined: Examined) -> None:
    examined.machine.addresses.discard("fd00::5")
    examined.settings["listen"] = {"dns": ["10.0.0.5:53"]}
    examined.assert_ok("ipv6")


@pytest.mark.parametrize("dns", ["10.0.0.5:53", "0.0.0.0:53"])
def test_upstream_that_is_blockd_itself_is_bad_and_not_asked(examined: Examined, dns: str) -> None:
    examined.settings["listen"]["dns"] = [dns]
    examined.machine.system = [Upstream("10.0.0.5", 53)]
    examined.assert_finds("upstream loops", Grade.BAD, "10.0.0.5:53 is blockd itself")
    examined.assert_finds("upstreams", Grade.BAD, "no upstream")
    assert examined.machine.asked == []


def test_upstream_of_another_machine_is_no_loop(examined: Examined) -> None:
    examined.settings["listen"]["dns"] = ["0.0.0.0:53"]
    examined.assert_ok("upstream loops")


def test_upstream_of_a_zone_that_is_blockd_itself_is_bad(examined: Examined) -> None:
    examined.settings["listen"]["dns"] = ["0.0.0.0:53"]
    examined.settings["forward"] = [{"zone": "corp.example", "upstreams": ["10.0.0.5"]}]
    examined.machine.addresses = {"10.0.0.5"}
    examined.assert_finds("upstream loops", Grade.BAD, "10.0.0.5:53 is blockd itself")


def test_circle_by_systemds_stub_is_bad(examined: Examined) -> None:
    examined.machine.system = [STUB]
    examined.machine.stub = [Upstream("10.0.0.5", 53)]
    examined.assert_finds("upstream loops", Grade.BAD, "systemd-resolved", "loop")


def test_systemds_stub_that_has_others_too_is_bad_and_is_asked(examined: Examined) -> None:
    examined.machine.system = [STUB]
    examined.machine.stub = [Upstream("10.0.0.5", 53), Upstream("10.0.0.1", 53)]
    examined.assert_finds("upstream loops", Grade.BAD, "systemd-resolved", "may loop")
    examined.find("upstreams")
    assert examined.machine.asked == [UpstreamQuestion(STUB)]


def test_upstreams_of_zones_are_asked_for_their_zone(examined: Examined) -> None:
    zone = key_from_text("corp.example")
    examined.settings["forward"] = [{"zone": "corp.example", "upstreams": ["10.0.0.8", "10.0.0.9"]}]
    examined.machine.answers = {"10.0.0.9": Asked(0.02, types.NXDOMAIN)}
    found = {finding.found: finding.grade for finding in examined.find("upstreams")}
    assert found == {
        "10.0.0.1:53 answered in 10 ms": Grade.OK,
        "10.0.0.8:53 answered about the zone corp.example in 10 ms": Grade.OK,
        "10.0.0.9:53 answers NXDOMAIN for the zone corp.example": Grade.WARNING,
    }
    assert UpstreamQuestion(Upstream("10.0.0.8", 53), zone) in examined.machine.asked
    examined.machine.answers["10.0.0.8"] = Asked(failure="10.0.0.8:53 did not answer")
    examined.machine.answers["10.0.0.9"] = Asked(0.02, types.REFUSED)
    grades = [finding.grade for finding in examined.find("upstreams")]
    assert grades == [Grade.OK, Grade.BAD, Grade.BAD], "nobody is left who knows that zone"


def test_no_upstream_is_bad(examined: Examined) -> None:
    examined.machine.system = FileNotFoundError(errno.ENOENT, "No such file or directory")
    examined.assert_finds("upstreams", Grade.BAD, "no upstream")


@pytest.mark.parametrize(
    ("answer", "grade", "words"),
    [
        (Asked(failure="10.0.0.1:53 did not answer"), Grade.BAD, "did not answer"),
        (Asked(0.01, types.REFUSED), Grade.BAD, "REFUSED"),
        (Asked(0.01, types.SERVFAIL), Grade.BAD, "SERVFAIL"),
        (Asked(0.01, types.NXDOMAIN), Grade.WARNING, "the root of the DNS"),
        (Asked(0.01, recurses=False), Grade.WARNING, "RA"),
        (Asked(1.2), Grade.WARNING, "1200 ms"),
    ],
)
def test_upstream_that_does_not_serve(examined: Examined, answer: Asked, grade: Grade, words: str) -> None:
    examined.machine.answers["10.0.0.1"] = answer
    examined.assert_finds("upstreams", grade, words)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("", "Check that it is running and that no firewall is in between."),
        ("connect", "Check that it is running and that no firewall is in between."),
        ("tls", "the name and the pins"),
        ("http", "the path"),
        ("closed", "ends connections"),
        ("malformed", "passes no such answer on"),
    ],
)
def test_advice_is_about_what_failed(examined: Examined, kind: str, advice: str) -> None:
    """Of one that has answered it must not be doubted that it is running."""
    examined.machine.answers["10.0.0.1"] = Asked(failure="10.0.0.1:53 failed", kind=kind)
    [finding] = examined.find("upstreams")
    assert advice in finding.advice


def test_one_upstream_of_two_that_is_down_is_a_warning(examined: Examined) -> None:
    examined.settings["upstreams"] = ["10.0.0.1", "10.0.0.2"]
    examined.machine.answers["10.0.0.2"] = Asked(failure="10.0.0.2:53 did not answer")
    assert [finding.grade for finding in examined.find("upstreams")] == [Grade.OK, Grade.WARNING]


def test_dropped_questions_are_a_warning(examined: Examined) -> None:
    examined.run()
    examined.assert_ok("questions lost")
    examined.machine.drops = 1500
    examined.assert_finds("questions lost", Grade.WARNING, "3,000 questions")  # on two addresses


@pytest.mark.parametrize(
    "networks", [["0.0.0.0/0"], ["::/0"], ["10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1"], ["2000::/3"], ["64.0.0.0/4"]]
)
def test_clients_of_the_whole_world_are_bad(examined: Examined, networks: list[str]) -> None:
    examined.settings["clients"] = {"allow": networks}
    examined.assert_finds("clients", Grade.BAD, "open resolver")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"front_ends": ["10.0.0.0/8"]}, "clients.front_ends includes 10.0.0.0/8: nobody there is limited"),
        ({"rate_limit": {"strangers_per_second": 0}}, "clients.rate_limit.strangers_per_second is 0"),
        ({"rate_limit": {"slip": 0, "responses_per_second": 100}}, "clients.rate_limit.slip is 0"),
    ],
)
def test_likely_mistakes_about_limits_are_warned_of(examined: Examined, keys: dict[str, object], sentence: str) -> None:
    examined.settings["clients"] = {"allow": ["10.0.0.0/8"], **keys}
    examined.assert_finds("clients", Grade.WARNING, sentence)


def test_front_ends_that_name_clients_and_are_many_are_warned_of(examined: Examined) -> None:
    examined.settings["proxy_protocol"] = {"from": ["10.0.0.0/8", "10.1.0.0/24", "2001:db8::/48"]}
    sentence = "proxy_protocol.from includes 10.0.0.0/8, 2001:db8::/48: whoever is there can ask as any client"
    examined.assert_finds("clients", Grade.WARNING, sentence)
    examined.settings["proxy_protocol"] = {"from": ["10.1.0.53"]}
    examined.assert_ok("clients")


def test_front_ends_whose_header_is_believed_and_are_many_are_warned_of(examined: Examined) -> None:
    examined.settings["listen"]["doh"] = ["10.0.0.5:8080"]
    examined.settings["doh"] = {"plain_from": ["10.0.0.0/8", "10.1.0.0/24"], "client_header": "forwarded"}
    sentence = "doh.plain_from includes 10.0.0.0/8: whoever is there can ask as any client"
    examined.assert_finds("clients", Grade.WARNING, sentence)
    del examined.settings["doh"]["client_header"]
    examined.assert_ok("clients")


def test_limits_and_front_ends_are_ok(examined: Examined) -> None:
    limits = {"slip": 2, "responses_per_second": 100}
    examined.settings["clients"] = {"allow": ["10.0.0.0/8"], "front_ends": ["10.0.0.0/24"], "rate_limit": limits}
    examined.assert_ok("clients")


@pytest.mark.parametrize("networks", [["10.0.0.0/8"], ["fc00::/7", "2001:db8::/32"], ["203.0.113.0/24"], []])
def test_clients_of_ones_own_networks_are_ok(examined: Examined, networks: list[str]) -> None:
    examined.settings["clients"] = {"allow": networks}
    examined.assert_ok("clients")


@pytest.mark.parametrize(
    ("address", "grade"),
    [
        ("127.0.0.9:9053", Grade.OK),
        ("[::1]:9053", Grade.OK),
        ("10.0.0.5:9053", Grade.WARNING),
        ("0.0.0.0:9053", Grade.BAD),
        ("[::]:9053", Grade.BAD),
        ("9.9.9.9:9053", Grade.BAD),
    ],
)
def test_admin_port_is_for_this_machine_alone(examined: Examined, address: str, grade: Grade) -> None:
    examined.settings["listen"]["admin"] = address
    assert [finding.grade for finding in examined.find("admin port")] == [grade]


def test_sinkhole_elsewhere_is_a_warning(examined: Examined) -> None:
    examined.settings["sinkhole"]["ipv4"] = "10.0.0.9"
    examined.assert_finds("sinkhole", Grade.WARNING, "10.0.0.9", "not an address of this machine")


def test_sinkhole_of_the_example_is_bad(examined: Examined) -> None:
    examined.settings["sinkhole"]["ipv6"] = "2001:db8::80"
    examined.assert_finds("sinkhole", Grade.BAD, "2001:db8::80", "sinkhole.ipv6")


def test_sinkhole_without_a_block_page_behind_it_is_a_warning(examined: Examined) -> None:
    examined.settings["listen"]["block_page"]["http"] = ["10.0.0.5:8080", "[::]:80"]
    examined.assert_finds("sinkhole", Grade.WARNING, "10.0.0.5", "port 80,")


def test_sinkhole_on_loopback_is_a_warning_where_others_are_served(examined: Examined) -> None:
    examined.settings["sinkhole"]["ipv4"] = "127.0.0.1"
    examined.assert_finds("subscribers", Grade.WARNING, "127.0.0.1")
    examined.settings["clients"] = {"allow": ["127.0.0.0/8", "::1/128"]}
    examined.assert_ok("subscribers")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({"name": ""}, "operator.name"),
        ({"name": "Example Provider"}, "operator.name"),
        ({"url": "https://www.example.net/"}, "operator.url"),
        ({"url": "http://localhost:8080/"}, "operator.url"),
        ({"contact": ""}, "operator.contact"),
        ({"contact": "abuse@example.net"}, "operator.contact"),
    ],
)
def test_operator_of_the_example_is_a_warning(examined: Examined, left: dict[str, str], words: str) -> None:
    examined.settings["operator"] |= left
    examined.assert_finds("operator", Grade.WARNING, words)


def test_config_without_feeds_is_a_warning(examined: Examined) -> None:
    examined.settings["feeds"] = []
    examined.assert_finds("feeds", Grade.WARNING, "nothing is blocked")


def test_list_that_is_not_there_is_bad(examined: Examined) -> None:
    (examined.folder / "list").unlink()
    examined.assert_finds("feeds", Grade.BAD, "list does not exist")


def test_list_that_cannot_be_read_is_bad(examined: Examined) -> None:
    examined.machine.readable = False
    examined.assert_finds("feeds", Grade.BAD, "may not read")


@pytest.mark.parametrize(("scheme", "grade"), [("http", Grade.WARNING), ("https", Grade.OK)])
def test_list_by_plain_http_is_a_warning(examined: Examined, scheme: str, grade: Grade) -> None:
    examined.settings["feeds"] = [{"name": "far", "type": "domains", "url": f"{scheme}://lists.example.net/a"}]
    assert [finding.grade for finding in examined.find("feeds")] == [grade]


def test_signed_list_by_plain_http_is_ok_and_its_key_must_be_there(examined: Examined) -> None:
    signature = {"type": "minisign", "key": "key"}
    feed = {"name": "far", "type": "domains", "url": "http://lists.example.net/a", "signature": signature}
    examined.settings["feeds"] = [feed]
    assert [finding.grade for finding in examined.find("feeds")] == [Grade.OK]
    examined.machine.readable = False
    examined.assert_finds("feeds", Grade.BAD, "key cannot be read")


def _signed(examined: Examined, root_days: float, list_days: float | None = None, newest: float | None = None) -> None:
    """Have a signed feed whose root, list and newest root, where they are given, expire after so many days."""
    trusted = examined.folder / "state" / "feeds" / "ministry" / "trusted"
    (trusted / "root_history").mkdir(parents=True)
    _metadata(examined.folder / "root.json", root_days)
    (examined.folder / "repository").mkdir()
    if list_days is not None:
        for name, days in (("timestamp", list_days), ("snapshot", 365), ("targets", 365)):
            _metadata(trusted / f"{name}.json", days)
    if newest is not None:
        _metadata(trusted / "root_history" / "2.root.json", -1)
        _metadata(trusted / "root_history" / "10.root.json", newest)
    examined.settings["feeds"] = [{"name": "ministry", "type": "signed", "url": "file:repository", "root": "root.json"}]


def _metadata(path: Path, days: float) -> None:
    expires = time_text(NOW + days * DAY)
    path.write_text(json.dumps({"signed": {"_type": path.stem.rpartition(".")[2], "expires": expires}}))


def test_signed_feed_that_lasts_is_ok(examined: Examined) -> None:
    _signed(examined, root_days=365, list_days=6, newest=400)
    for check in ("feeds", "roots of trust", "signatures"):
        examined.assert_ok(check)


def test_signed_feed_that_was_never_fetched_is_ok(examined: Examined) -> None:
    _signed(examined, root_days=365)
    examined.assert_ok("signatures")


@pytest.mark.parametrize(
    ("root", "newest", "grade"),
    [
        (20, None, Grade.WARNING),
        (-1, None, Grade.WARNING),  # the repository may have a newer one
        (-1, -1, Grade.BAD),
        (-1, 20, Grade.WARNING),
        (-1, 400, Grade.OK),
    ],
)
def test_root_that_expires(examined: Examined, root: float, newest: float | None, grade: Grade) -> None:
    _signed(examined, root_days=root, newest=newest)
    assert [finding.grade for finding in examined.find("roots of trust")] == [grade]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff", b'{"signed": {"_type": "targets"}}'])
def test_root_that_cannot_be_used_is_bad(examined: Examined, content: bytes | None) -> None:
    _signed(examined, root_days=365)
    if content is None:
        (examined.folder / "root.json").unlink()
    else:
        (examined.folder / "root.json").write_bytes(content)
    examined.assert_finds("roots of trust", Grade.BAD, "root.json cannot be used")


@pytest.mark.parametrize(("days", "grade"), [(0.5, Grade.WARNING), (-1, Grade.BAD)])
def test_list_that_expires(examined: Examined, days: float, grade: Grade) -> None:
    _signed(examined, root_days=365, list_days=days)
    examined.assert_finds("signatures", grade, "expire")


def test_daemon_that_does_not_answer_is_bad(examined: Examined) -> None:
    examined.running = Running(OURS.pid, silence="no blockd answers")
    examined.assert_finds("daemon", Grade.BAD, "process 100", "no blockd answers")
    for check in ("refused feeds", "outdated"):
        examined.assert_ok(check)


def test_daemon_without_a_ruleset_is_bad(examined: Examined) -> None:
    examined.run(ruleset=None)
    examined.assert_finds("daemon", Grade.BAD, "does not enforce a list")


def test_worker_that_is_behind_is_bad(examined: Examined) -> None:
    examined.run(workers=[{"index": 0, "pid": 101, "enforcing": 3}, {"index": 1, "pid": None, "enforcing": None}])
    examined.assert_finds("daemon", Grade.BAD, "[1]", "version 3")


@pytest.mark.parametrize(("version", "grade"), [(7, Grade.OK), (0, Grade.WARNING)])
def test_a_kernel_that_confines_nothing_is_a_warning(examined: Examined, version: int, grade: Grade) -> None:
    examined.run(confinement={"landlock": version})
    assert [finding.grade for finding in examined.find("confinement")] == [grade]


def test_refused_feed_is_bad(examined: Examined) -> None:
    examined.run(feeds=[{"name": "list", "refusal": "it is empty"}, {"name": "other", "refusal": None}])
    examined.assert_finds("refused feeds", Grade.BAD, "feed list", "it is empty")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"version": "0.0.1"}, "0.0.1"),
        ({"engine": "python"}, "python engine"),
    ],
)
def test_daemon_that_is_not_what_a_start_would_give_is_a_warning(
    examined: Examined, told: dict[str, object], words: str
) -> None:
    examined.run(**told)
    examined.assert_finds("outdated", Grade.WARNING, words, "`blockd upgrade`")


@pytest.mark.parametrize(
    ("changed", "words", "advice"),
    [
        (
            {"path": "/etc/blockd.yaml", "since": "2026-11-24T06:15:42Z"},
            "/etc/blockd.yaml on disk is another since 2",
            "`blockd reload` takes it",
        ),
        ({"path": "/srv/protected", "since": None}, "/srv/protected is gone", "Put it back"),
    ],
)
def test_config_that_is_another_than_the_one_that_runs_is_a_warning(
    examined: Examined, changed: dict[str, object], words: str, advice: str
) -> None:
    examined.run(config=examined.config(changed))
    examined.assert_finds("outdated", Grade.WARNING, words, advice)
    examined.run(config=examined.config(), since=time_text(NOW - 2 * DAY))
    examined.assert_ok("outdated")  # the file is younger, but says the same: the daemon compared it


def test_daemon_with_the_config_of_another_file_is_a_warning(examined: Examined) -> None:
    examined.run(config=examined.config(name="other.yaml"))
    examined.assert_finds("outdated", Grade.WARNING, "other.yaml, and not with", "blockd.yaml", "Restart")


def test_daemon_that_says_what_no_blockd_says_is_no_traceback(examined: Examined) -> None:
    examined.run(ruleset=[], workers="none", feeds={"a": 1}, since=None)
    found = examine(examined.case())
    assert {finding.name for finding in found} == set(CHECKS)


class TestThisMachine:
    """The facts themselves, on the machine that the tests run on."""

    def test_examination_ends_with_a_finding_of_every_check(self, examined: Examined) -> None:
        case = examined.case()
        found = examine(Context(case.config, case.settings, Machine(), Running()))
        assert {finding.name for finding in found} == set(CHECKS)
        assert [finding for finding in found if "could not be checked" in finding.found] == []

    def test_facts_have_sane_values(self) -> None:
        machine = Machine()
        assert machine.python() == sys.version_info[:3]
        assert machine.cores() > 0
        assert machine.descriptors(None) > 0
        assert machine.descriptors(os.getpid()) > 0
        assert machine.receive_buffer(4096) == 4096
        assert machine.may_bind(65_000)
        assert machine.may_become("there-is-no-such-user") is None
        assert machine.has_address("127.0.0.1")
        assert machine.clock_is_synchronised() in (True, False, None)
        assert not machine.has_address("192.0.2.1") or _binds_anything()

    def test_bound_port_and_its_holder_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("blockd.doctor.kernel_sockets.SEARCH_TIME", 30.0)
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = SocketAddress("127.0.0.1", server.getsockname()[1])
            machine = Machine()
            error = machine.attempt(address, socket.SOCK_STREAM)
            assert error is not None
            assert error.errno == errno.EADDRINUSE
            (found,) = [one for one in machine.sockets(socket.SOCK_STREAM) if one.address == address]
            holder = machine.holder(found.inode)
            assert holder is not None
            assert holder.pid == os.getpid()
            assert holder.parent == os.getppid()
        assert machine.attempt(address, socket.SOCK_STREAM) is None

    @pytest.mark.parametrize("holder", ["", "0", "-1", "nonsense", "99999999", "ours"])
    def test_stale_lock_is_no_daemon(self, tmp_path: Path, holder: str) -> None:
        (tmp_path / "lock").write_text(str(os.getpid()) if holder == "ours" else holder)
        assert Machine().lock_holder(tmp_path) is None
        assert Machine().lock_holder(tmp_path / "absent") is None

    def test_upstreams_are_asked_at_once(self, upstream: UpstreamSimulator) -> None:
        upstream.plan(".", "NS", ". 60 IN NS a.root-servers.net.")
        good, closed = Machine().ask([UpstreamQuestion(upstream.upstream), UpstreamQuestion(closed_port())], 30.0)
        assert (good.rcode, good.recurses, good.failure) == (types.NOERROR, True, "")
        assert good.seconds > 0
        assert closed.failure

    def test_upstream_of_a_zone_is_asked_for_that_zone(self, upstream: UpstreamSimulator) -> None:
        upstream.plan("corp.example", "SOA", "corp.example. 60 IN SOA ns. host. 1 2 3 4 5")
        (asked,) = Machine().ask([UpstreamQuestion(upstream.upstream, key_from_text("corp.example"))], 30.0)
        assert (asked.rcode, asked.failure) == (types.NOERROR, "")

    def test_refusing_upstream_is_told(self, upstream: UpstreamSimulator) -> None:
        upstream.faults.add(Fault.REFUSED)
        (asked,) = Machine().ask([UpstreamQuestion(upstream.upstream)], 30.0)
        assert asked.rcode == types.REFUSED

    def test_a_refusal_without_the_question_is_an_answer(self, upstream: UpstreamSimulator) -> None:
        upstream.faults.update((Fault.REFUSED, Fault.HEADER_ONLY))
        (asked,) = Machine().ask([UpstreamQuestion(upstream.upstream)], 30.0)
        assert (asked.rcode, asked.failure) == (types.REFUSED, "")

    def test_an_answer_that_forwarding_refuses_is_no_answer(self, upstream: UpstreamSimulator) -> None:
        upstream.plan(".", "NS", ". 60 IN NS a.root-servers.net.")
        upstream.faults.add(Fault.MALFORMED)
        (asked,) = Machine().ask([UpstreamQuestion(upstream.upstream)], 30.0)
        assert (asked.failure, asked.kind) == (f"{upstream.upstream.label} sent a malformed answer", "malformed")


def test_tables_of_the_kernel_are_read(tmp_path: Path) -> None:
    net = tmp_path / "net"
    net.mkdir()
    local = (
        "0100007F:0035",
        "00000000000000000000000001000000:0035" if sys.byteorder == "little" else f"{1:032x}:0035",
    )
    if sys.byteorder == "big":
        local = ("7F000001:0035", local[1])
    for table, address in zip(("udp", "udp6"), local, strict=True):
        (net / table).write_text(
            "sl local_address rem_address st ...\n"
            f" 12: {address} 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 801446 2 0000000000000000 17\n"
        )
    assert list(bound_sockets(socket.SOCK_DGRAM, tmp_path)) == [
        KernelSocket(SocketAddress("127.0.0.1", 53), 801446, 17),
        KernelSocket(SocketAddress("::1", 53), 801446, 17),
    ]
    assert list(bound_sockets(socket.SOCK_STREAM, tmp_path)) == []


def test_process_with_a_strange_name_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "42" / "fd"
    folder.mkdir(parents=True)
    (folder / "3").symlink_to("socket:[5]")
    (folder / "4").symlink_to("/dev/null")
    (tmp_path / "42" / "stat").write_text("42 (a) S (b) c) S 7 42 42 0\n")
    assert holders(tmp_path) == {5: Program(42, 7, "a) S (b) c")}


def test_every_check_is_exported_with_its_parts() -> None:
    assert set(checkup.__all__) >= {"CHECKS", "Machine", "examine"}


def _binds_anything() -> bool:
    return Path("/proc/sys/net/ipv4/ip_nonlocal_bind").read_text("ascii").strip() != "0"


def test_a_contact_that_browsers_cannot_lead_to_is_a_warning(examined: Examined) -> None:
    examined.settings["operator"]["contact"] = "https://www.provider.id/objections"
    (found,) = examined.find("operator")
    assert found.grade is Grade.OK, "plain DNS has it as text"
    examined.settings["listen"] |= {"doh": ["127.0.0.1:8443"]}
    examined.settings["doh"] = {"plain_from": ["127.0.0.1"]}
    examined.assert_finds("operator", Grade.WARNING, "operator.contact has no mail address")
    examined.settings["operator"]["contact"] = "+62 21 555 0123"
    (found,) = examined.find("operator")
    assert found.grade is Grade.OK
