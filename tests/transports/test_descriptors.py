from __future__ import annotations

import logging
import resource
import subprocess
import sys

import pytest

from blockd.settings import Settings
from blockd.transports import descriptors
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS, LEAST, OWN, Shares


@pytest.fixture
def settings() -> Settings:
    """A config that listens on eleven sockets."""
    return Settings(workers=2)


def test_with_files_enough_every_share_is_whole(settings: Settings) -> None:
    shares = Shares.of(settings, 65536)
    assert shares.listening == 11
    assert shares.streams == BOUNDS
    assert shares.web == descriptors.WEB
    assert shares.sentence(16) == ""
    assert Shares.of(settings, shares.wanted(1)).streams == BOUNDS


@pytest.mark.parametrize("files", [64, 100, 256, 1024, 4096, 65536, 1 << 20])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_shares_are_never_more_than_there_are(files: int, workers: int) -> None:
    shares = Shares.of(Settings(workers=workers), files)
    if files >= shares.least:
        rest = files - OWN - shares.listening
        assert rest >= LEAST
        assert shares.upstreams + shares.streams.all <= rest
        assert 2 * shares.web <= rest
        assert 1 <= 3 * shares.decide <= rest, "of front ends, of clients, and of clients that wait in line"
        assert 1 <= shares.streams.address <= shares.streams.prefix <= shares.streams.all


def test_few_files_make_each_share_smaller_and_are_told(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    shares = Shares.of(settings, 256)
    assert shares.streams == Bounds(address=7, prefix=27, all=53)
    descriptors.tell(shares, 4)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "A process may open 256 files, not 8043: a worker has at most 53 connections over TCP and asks each upstream "
        "from 26 ports at a time, and the block page has at most 53 connections. Raise LimitNOFILE in the systemd "
        "unit, or `ulimit -n`."
    )


def test_the_shares_are_shown_as_they_are_given(settings: Settings) -> None:
    shares = Shares.of(settings, 256)
    assert shares.to_json(4) == {
        "allowed": 256,
        "wanted": 8043,
        "tcp": {"all": 53, "network": 27, "address": 7},
        "transports": 1,
        "upstream_ports": 26,
        "block_page": 53,
    }
    assert Shares.of(_without_page(settings), 256).to_json(4)["block_page"] is None


def test_dot_and_doh_have_as_many_connections_as_tcp_and_share_what_there_is(settings: Settings) -> None:
    addresses = settings.listen.dns
    listen = settings.listen.model_copy(update={"dot": addresses, "doh": addresses})
    shares = Shares.of(settings.model_copy(update={"listen": listen}), 256)
    assert shares.listening == 11 + 2 * 2 * len(addresses)
    assert shares.streams == Bounds(address=3, prefix=9, all=17)
    assert "at most 17 connections by each of TCP, TLS and HTTPS" in shares.sentence(4)
    assert Shares.of(settings.model_copy(update={"listen": listen}), shares.wanted(1)).streams == BOUNDS


def _without_page(settings: Settings) -> Settings:
    page = settings.listen.block_page.model_copy(update={"http": (), "https": ()})
    return settings.model_copy(update={"listen": settings.listen.model_copy(update={"block_page": page})})


def test_the_block_page_is_told_of_only_if_there_is_one(settings: Settings) -> None:
    shares = Shares.of(_without_page(settings), 256)
    assert shares.sentence(4)
    assert "page" not in shares.sentence(4)


@pytest.mark.parametrize(("files", "is_enough"), [(16, False), (58, False), (59, True), (64, True), (256, True)])
def test_too_few_are_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, files: int, is_enough: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    said = descriptors.lacking(settings)
    if is_enough:
        assert said == ""
    else:
        assert said == (
            f"open files: a process may open {files}, and blockd needs 59 with this config, of which 11 are sockets to "
            "listen on; raise LimitNOFILE in the systemd unit, or `ulimit -n`"
        )


@pytest.mark.parametrize(
    ("hard", "expected"),
    [(64, 64), (524_288, 524_288), (resource.RLIM_INFINITY, descriptors.MOST), (1 << 30, descriptors.MOST)],
)
def test_the_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch, hard: int, expected: int) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (32, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: told.append(limits))
    descriptors.raise_limit()
    assert told == [(expected, hard)]


# Prints how many files the kernel's table takes (FDSize in proc_pid_status(5)): at first, and once room was made.
_TABLE = """
import sys
from blockd.transports.descriptors import make_room
for files in map(int, sys.argv[1:]):
    make_room(files, beside=1)
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("FDSize:")))
"""


def test_room_is_made_in_the_kernels_table_for_all_files_at_once() -> None:
    command = [sys.executable, "-c", _TABLE, "1", "5000"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - our own
    first, then = map(int, told)
    assert first < 5000 <= then


def test_more_room_than_is_allowed_is_not_made() -> None:
    command = [sys.executable, "-c", _TABLE, "1", "100000000"]
    limited = ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *command]
    told = subprocess.run(limited, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - our own
    first, then = map(int, told)  # the first is that of whoever runs the tests
    assert 256 <= then <= max(first, 512)
