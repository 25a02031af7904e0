"""What the machine says of upstreams: its resolvers, its addresses, and who leads back to blockd."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.channel import MAX_MESSAGE
from blockd.resolver.machine import own_addresses
from blockd.resolver.machine.observation import MAX_OWN, Observation
from blockd.resolver.machine.own_addresses import is_own_address
from blockd.resolver.machine.system import MAX_NAME_SERVERS, STUB, System, name_servers
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings, Upstream


class Simulated(System):
    """A machine with some addresses."""

    def __init__(self, *named: str, own: tuple[str, ...] = (), stub: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.named = [Upstream(host, 53) for host in named]
        self.own = own
        self.stub = [Upstream(host, 53) for host in stub]

    def system_upstreams(self) -> list[Upstream]:
        return self.named

    def stub_upstreams(self) -> list[Upstream]:
        return self.stub

    def owns_address(self, host: str) -> bool:
        return host in self.own


def settings(**config: Any) -> Settings:
    return Settings.model_validate(config, context={"folder": None})


def resolution(system: System, **config: Any) -> Resolution:
    made = settings(**config)
    return Resolution.by(made, Observation.of(made, system))


def texts(found: Resolution) -> list[str]:
    return [upstream.text for upstream in found.upstreams]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", []),
        ("# nameserver 192.0.2.1\n; x\nsearch example\n", []),
        ("nameserver 192.0.2.1\nnameserver\t2001:DB8::1 \nnameserver 192.0.2.1\n", ["192.0.2.1", "2001:db8::1"]),
        ("nameserver fe80::1%eth0\n", ["fe80::1%eth0"]),
        ("nameserver fe80::1\nnameserver ff02::1\nnameserver 255.255.255.255\nnameserver ::ffff:192.0.2.1\n", []),
        ("nameserver 0.0.0.0\nnameserver ::\n", ["127.0.0.1", "::1"]),
        ("nameserver dns.example\nnameserver\nnameserver 192.0.2.1:53\n nameserver 192.0.2.2", ["192.0.2.2"]),
        ("".join(f"nameserver 192.0.2.{last}\n" for last in range(200)), [f"192.0.2.{last}" for last in range(16)]),
    ],
)
def test_name_servers_of_a_resolv_conf(tmp_path: Path, text: str, hosts: list[str]) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert name_servers(tmp_path / "resolv.conf") == [Upstream(host, 53) for host in hosts]


@pytest.mark.parametrize("octets", [b"\xff\0nameserver\n" * 100_000, b"nameserver 192.0.2.1" + b"\0" * 1_000_000])
def test_a_file_of_any_octets_is_read_to_a_limit(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "resolv.conf").write_bytes(octets)
    assert len(name_servers(tmp_path / "resolv.conf")) <= 1


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a file"):
        name_servers(tmp_path)
    found = Observation.of(settings(), System(tmp_path))
    assert found.trouble == "/etc/resolv.conf cannot be read: it is not a file"
    absent = Observation.of(settings(), System(tmp_path / "absent"))
    assert absent.trouble == "/etc/resolv.conf cannot be read: No such file or directory"


def test_addresses_of_this_machine_are_known_by_the_kernel() -> None:
    assert [is_own_address(host) for host in ("127.0.0.1", "127.9.8.7")] == [True, True]
    assert not is_own_address("192.0.2.1")
    assert not is_own_address("fe80::1%nosuchinterface")


def test_where_the_kernel_may_not_be_asked_the_address_that_is_sent_from_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(own_addresses, "_request", refuse)
    assert [is_own_address(host) for host in ("127.0.0.1", "127.9.8.7", "192.0.2.1")] == [True, True, False]


def test_an_upstream_that_is_listened_on_through_a_wildcard_is_left_out() -> None:
    system = Simulated("192.0.2.53", "10.0.0.5", own=("10.0.0.5",))
    found = resolution(system, listen={"dns": ["0.0.0.0:53"]})
    assert texts(found) == ["192.0.2.53:53"]
    assert [one.why for one in found.left_out] == ["the upstream 10.0.0.5:53 is blockd itself"]
    assert texts(resolution(system, listen={"dns": ["0.0.0.0:5353"]})) == ["192.0.2.53:53", "10.0.0.5:53"]
    assert texts(resolution(system, listen={"dns": ["[::]:53"]})) == ["192.0.2.53:53", "10.0.0.5:53"]


@pytest.mark.parametrize("text", ["10.0.0.5", "tcp://10.0.0.5", "tls://10.0.0.5:53#x.example"])
def test_it_is_left_out_whatever_it_would_be_asked_over_and_in_zones(text: str) -> None:
    forward = [{"zone": "corp.example", "upstreams": [text, "192.0.2.9"]}]
    system = Simulated(own=("10.0.0.5",))
    found = resolution(system, listen={"dns": ["0.0.0.0:53"]}, upstreams=[text, "192.0.2.1"], forward=forward)
    assert [[one.host for one in group.upstreams] for group in found.groups] == [["192.0.2.1"], ["192.0.2.9"]]
    assert len(found.left_out) == 1


def test_systemds_stub_that_asks_nobody_else_is_left_out() -> None:
    listen = {"dns": ["10.0.0.5:53"]}
    closed = resolution(Simulated(STUB.host, stub=("10.0.0.5",)), listen=listen)
    assert closed.upstreams == ()
    assert "systemd-resolved (127.0.0.53:53) asks 10.0.0.5:53, which is blockd itself" in closed.left_out[0].why
    partly = resolution(Simulated(STUB.host, stub=("10.0.0.5", "192.0.2.1")), listen=listen)
    assert partly.upstreams == (STUB,)
    assert partly.observation.stub == ("10.0.0.5:53",)


def test_defaults_follow_the_resolvers_of_the_machine() -> None:
    def is_on(found: Resolution) -> bool:
        return next(state.is_on for state in found.defaults if state.zone.name == "home.arpa")

    assert not is_on(resolution(Simulated("192.168.1.1")))
    assert is_on(resolution(Simulated("192.0.2.53")))


def test_an_observation_fits_a_message_whatever_a_config_names() -> None:
    hosts = [f"127.{number >> 8}.{number & 255}.1" for number in range(1_600)]
    forward = [
        {"zone": f"z{zone}.example", "upstreams": [f"{host}:53" for host in hosts[zone * 16 : zone * 16 + 16]]}
        for zone in range(100)
    ]
    named = [f"fe80::{number:x}:1111:2222:3333%interface-of-15" for number in range(MAX_NAME_SERVERS)]
    made = settings(listen={"dns": ["0.0.0.0:53"]}, forward=forward)
    found = Observation.of(made, Simulated(*named, own=tuple(hosts), stub=()))
    assert len(found.own) == MAX_OWN
    message = json.dumps({"resolution": found.to_message()})
    assert len(message) < MAX_MESSAGE // 2
    assert Observation.from_message(json.loads(message)["resolution"]) == found
