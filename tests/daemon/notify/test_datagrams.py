"""The client of the service manager: whatever that does, nothing waits for it, and nothing it is told is lost."""

from __future__ import annotations

import errno
import os
import socket
import time
import uuid
from collections.abc import Iterator

import pytest

from blockd.daemon.notify import datagrams
from blockd.daemon.notify.datagrams import MAX_DESCRIPTORS, MAX_WAITING, ServiceManager, status_of
from blockd.daemon.notify.service import BEATS, ServiceNotices
from blockd.transports.binding import Sockets
from tests.daemon.notify.systemd import Systemd


def test_the_environment_names_it_and_is_not_passed_on() -> None:
    with Systemd(f"@blockd-test-{uuid.uuid4().hex}") as systemd:
        environment = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7", "HOME": "/"}
        manager = ServiceManager.of(environment, 7)
        assert environment == {"HOME": "/"}
        assert (manager.is_there, manager.watchdog) == (True, 30.0)
        manager.tell("READY=1", "STATUS=It is.")
        systemd.hear()
        assert systemd.told == [(os.getpid(), {"READY": "1", "STATUS": "It is."})]
        manager.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "8"},
        {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": ""},
    ],
    ids=range(5),
)
def test_nobody_is_told_if_nobody_wants_to_know(environment: dict[str, str]) -> None:
    manager = ServiceManager.of(environment, 7)
    assert not manager.is_there
    manager.tell("READY=1")
    manager.beat()
    manager.flush()
    service = ServiceNotices(manager)
    service.look(is_ready=True, is_busy=False)
    service.keep(Sockets())
    service.stopping()
    assert service.is_ready


@pytest.mark.parametrize("address", ["/nowhere/notify", "vsock:2:1234", "/" + "n" * 200, "@" + "n" * 200])
def test_one_that_cannot_be_reached_is_told_of_once(address: str, caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager(address)
    for _ in range(3):
        manager.tell("READY=1")
    assert caplog.text.count("The service manager cannot be told how blockd stands: ") == 1
    assert not manager.is_there


def test_where_unix_sockets_are_forbidden_the_sentence_says_what_to_change(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(f"{datagrams.__name__}.socket.socket", forbidden)
    assert not ServiceManager("/run/systemd/notify").is_there
    assert "add AF_UNIX to RestrictAddressFamilies= in the systemd unit" in caplog.text


def test_what_it_has_no_room_for_is_told_later_in_its_order(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.address, 30.0)
    reading, writing = os.pipe()
    for number in range(1000):
        manager.tell(f"NUMBER={number}", descriptors=[])
    manager.tell("FDSTORE=1", "FDNAME=pipe", descriptors=[reading])
    manager.beat()  # which is not told if it would come late
    heard = 0
    while heard < 1001:
        systemd.hear()
        assert len(systemd.told) > heard
        heard = len(systemd.told)
        manager.flush()
    assert systemd.values("NUMBER") == [str(number) for number in range(1000)]
    assert systemd.values("WATCHDOG") == []
    assert os.path.sameopenfile(systemd.kept["pipe"][0], reading)
    manager.close()
    for one in (reading, writing):
        os.close(one)


def test_what_waits_is_bounded(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.address)
    for number in range(MAX_WAITING + 2000):
        manager.tell(f"NUMBER={number}")
    assert len(manager._waiting) == MAX_WAITING
    manager.close()


@pytest.mark.parametrize("text", ["It is.\nREADY=1", "x" * 5000, "\x1b[2J\r\0", "half " + chr(0xD83D)])
def test_no_sentence_can_forge_an_assignment(systemd: Systemd, text: str) -> None:
    manager = ServiceManager(systemd.address)
    manager.tell(status_of(text))
    systemd.hear()
    [(_, told)] = systemd.told
    assert set(told) == {"STATUS"}
    assert told["STATUS"].isprintable()
    assert len(told["STATUS"]) <= 500
    manager.close()


class TestService:
    now = 100.0

    @pytest.fixture(autouse=True)
    def closed(self) -> Iterator[None]:
        self.made: list[ServiceNotices] = []
        yield
        for one in self.made:
            one.forget()

    def service(self, systemd: Systemd, watchdog: float = 0.0) -> ServiceNotices:
        self.made.append(ServiceNotices(ServiceManager(systemd.address, watchdog), lambda: self.now))
        return self.made[-1]

    def test_the_watchdog_is_told_in_a_third_of_its_time(self, systemd: Systemd) -> None:
        service = self.service(systemd, 30.0)
        for _ in range(4):
            service.look(is_ready=False, is_busy=False)
            assert service.seconds(self.now) == 30.0 / BEATS
            self.now += 9.0
            service.look(is_ready=False, is_busy=False)
            assert service.seconds(self.now) == 1.0
            self.now += 1.0
        assert len(systemd.values("WATCHDOG")) == 3
        assert self.service(systemd).seconds(self.now) is None

    def test_before_it_is_ready_no_reload_is_told(self, systemd: Systemd) -> None:
        service = self.service(systemd)
        service.reloading("A config is taken.")
        service.look(is_ready=False, is_busy=False)
        assert systemd.values("RELOADING") + systemd.values("READY") == []
        service.look(is_ready=True, is_busy=False)
        service.starting("Starting.")
        assert systemd.values("STATUS") == ["Every worker answers."], "the start is over"

    def test_it_is_ready_again_once_nothing_of_a_reload_is_in_progress_or_waits(self, systemd: Systemd) -> None:
        service = self.service(systemd)
        service.look(is_ready=True, is_busy=False)
        service.heeds({"status": "Version 1 is enforced."})
        systemd.hear()
        systemd.told.clear()
        service.reloading("A config is read.")
        service.heeds({"status": "Version 2 is enforced."})
        service.reloading("A config is taken.")
        for is_busy in (True, True, False, False):
            service.look(is_ready=True, is_busy=is_busy)
        systemd.hear()
        reloading = {"RELOADING": "1", "MONOTONIC_USEC": "100000000"}
        assert [told for _, told in systemd.told] == [
            reloading, {"STATUS": "A config is read."}, reloading, {"STATUS": "A config is taken."},
            {"READY": "1"}, {"STATUS": "Version 2 is enforced."},
        ]  # fmt: skip

    def test_only_what_has_changed_is_passed_again(self, systemd: Systemd) -> None:
        service, sockets = self.service(systemd), Sockets()
        sockets.udp = [[socket.socket(socket.AF_INET, socket.SOCK_DGRAM)] for _ in range(2)]
        sockets.admin = [socket.socket()]
        sockets.decide = [socket.socket(socket.AF_UNIX)]
        service.keep(sockets, ["dns_udp.7"])
        systemd.hear()
        assert set(systemd.kept) == {"dns_udp.0", "dns_udp.1", "admin"}, "a socket with a path is made anew"
        assert systemd.values("FDNAME")[0] == "dns_udp.7"
        heard = len(systemd.told)
        service.keep(sockets)
        systemd.hear()
        assert len(systemd.told) == heard
        [left] = sockets.udp.pop()
        sockets.admin.append(socket.socket())
        service.keep(sockets)
        systemd.hear()
        assert (set(systemd.kept), len(systemd.kept["admin"])) == ({"dns_udp.0", "admin"}, 2)
        for one in (left, *sockets.udp[0], *sockets.admin, *sockets.decide):
            one.close()

    def test_more_sockets_than_fit_one_message_are_all_kept(self, systemd: Systemd) -> None:
        service, sockets = self.service(systemd), Sockets()
        one = socket.socket()
        sockets.admin = [one] * (MAX_DESCRIPTORS + 1)
        service.keep(sockets)
        systemd.hear()
        assert len(systemd.kept["admin"]) == MAX_DESCRIPTORS + 1
        one.close()


def test_the_clock_is_that_of_the_protocol() -> None:
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
