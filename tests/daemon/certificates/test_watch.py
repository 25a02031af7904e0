"""Certificates follow their files while a daemon runs; what is broken changes nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.certificates.watch import AGAIN, LOOK, CertificateWatch
from blockd.daemon.channel import Message
from blockd.daemon.timing import Timing
from blockd.settings import Settings
from blockd.settings.encrypted import Certificate
from blockd.tls import CertificatePair
from blockd.tls.files import read_files
from blockd.tls.validity import RENEW
from tests.tls.certificates import certificate

DAY = 86400.0


class Watched:
    """Two certificates on a disk, and a watch of them that a test turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("one", "two"):
            self.write(name, *certificate(f"{name}.example"))
        self.files = [
            Certificate.model_construct(chain=folder / f"{name}.pem", key=folder / f"{name}.key")
            for name in ("one", "two")
        ]
        self.begun = [read_files(one) for one in self.files]
        self.now = 0.0
        self.sent: list[tuple[CertificatePair, ...]] = []
        timing = Timing(clock=lambda: time.time() + self.now, monotonic=lambda: self.now)
        self.watch = CertificateWatch(self.files, self.begun, self, timing)
        self.look()
        assert self.sent == []

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        assert message == {"certificates": 2}
        assert descriptor is not None
        self.sent.append(HandedCertificates(descriptor).pairs())

    def write(self, name: str, chain: bytes, key: bytes) -> None:
        """Replace both files, each whole."""
        for suffix, content in (("pem", chain), ("key", key)):
            self.put(f"{name}.{suffix}", content)

    def put(self, name: str, content: bytes) -> None:
        new = self.folder / f"{name}.new"
        new.write_bytes(content)
        new.replace(self.folder / name)

    def look(self, *, is_due: bool = False) -> None:
        asyncio.run(self.watch.look(is_due=is_due))

    def alarms(self, after: float = 0.0) -> list[str]:
        return [alarm.name for alarm in self.watch.alarms(time.time() + after)]


def test_what_a_renewed_certificate_lacks_is_told_once(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    def gaps(pairs: Sequence[CertificatePair]) -> list[str]:
        return [f"{pair.source} lacks it." for pair in pairs if "one.example" not in pair.names]

    async def once(_: float) -> None:
        raise asyncio.CancelledError

    timing = Timing(clock=time.time, monotonic=lambda: watched.now, sleep=once)
    watched.watch = CertificateWatch(watched.files, watched.begun, watched, timing, gaps)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watched.watch.run())
    for name in ("new.example", "newer.example"):
        watched.write("one", *certificate(name))
        watched.look()
    told = [line.message for line in caplog.records if "lacks" in line.message]
    assert told == [f"{watched.folder / f'{name}.pem'} lacks it." for name in ("two", "one")]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_changed_pair_is_handed_on_and_one_that_has_not_changed_is_not(watched: Watched) -> None:
    watched.look()
    assert watched.sent == []
    watched.write("two", *certificate("new.example"))
    watched.look()
    [(one, two)] = watched.sent
    assert one == watched.begun[0]
    assert two.names == ("new.example",)
    watched.look()
    assert len(watched.sent) == 1


def test_a_half_written_pair_keeps_the_old_one_with_a_sentence_and_an_alarm_and_others_change(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    chain, key = certificate("new.example")
    watched.put("one.pem", chain)
    watched.write("two", *certificate("other.example"))
    with caplog.at_level(logging.INFO):
        watched.look()
        watched.look()
    why = f"the key of {watched.files[0].chain} belongs to another certificate"
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told == f"The files of a certificate cannot be used: {why}. Those read before stay in use."
    assert watched.alarms() == ["BlockdCertificateRefused"]
    [(one, two)] = watched.sent
    assert (one, two.names) == (watched.begun[0], ("other.example",))
    assert [status.refusal for status in watched.watch.status(time.time())] == [why, ""]
    assert [sample.is_refused for sample in watched.watch.sample(time.time()).values()] == [True, False]
    watched.put("one.key", key)
    watched.look()
    assert watched.sent[-1][0].names == ("new.example",)
    assert watched.alarms() == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"", "has no certificate chain in PEM"),
        (b"\x00\xff" * 100, "has no certificate chain in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has no certificate chain in PEM"),
        (b"x" * (1 << 19), "is larger than 262144 octets"),
    ],
)
def test_a_broken_chain_keeps_the_old_one(watched: Watched, broken: bytes, why: str) -> None:
    watched.put("one.pem", broken)
    watched.look()
    assert watched.sent == []
    assert why in watched.watch.status(time.time())[0].refusal
    assert watched.alarms() == ["BlockdCertificateRefused"]


def test_files_that_are_gone_keep_the_old_one_and_are_used_once_they_are_back(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    key = watched.folder / "one.key"
    kept = key.read_bytes()
    key.unlink()
    watched.look()
    assert "one.key cannot be read: no such file or directory" in watched.watch.status(time.time())[0].refusal
    with caplog.at_level(logging.INFO):
        key.write_bytes(kept)
        watched.look()
    assert "can be used again; nothing in them has changed" in caplog.text
    assert watched.sent == []
    assert watched.alarms() == []


def test_a_link_that_leads_to_another_file_is_a_change(watched: Watched) -> None:
    chain, key = certificate("linked.example")
    for suffix, content in (("pem", chain), ("key", key)):
        (watched.folder / f"archive.{suffix}").write_bytes(content)
        (watched.folder / f"one.{suffix}").unlink()
        (watched.folder / f"one.{suffix}").symlink_to(f"archive.{suffix}")
    watched.look()
    assert watched.sent[-1][0].names == ("linked.example",)


def test_all_are_read_and_handed_on_again_once_in_a_while(watched: Watched) -> None:
    watched.look(is_due=True)
    assert watched.sent == [tuple(watched.begun)]

    async def turn() -> None:
        turns = 0

        async def sleep(seconds: float) -> None:
            nonlocal turns
            turns += 1
            watched.now += seconds
            if turns > AGAIN / LOOK + 1:
                raise asyncio.CancelledError

        watched.watch._timing = replace(watched.watch._timing, sleep=sleep)
        with pytest.raises(asyncio.CancelledError):
            await watched.watch.run()

    asyncio.run(turn())
    assert len(watched.sent) == 2


def test_alarms_come_before_the_end_and_after_it(watched: Watched) -> None:
    assert watched.alarms() == []
    assert watched.alarms(75 * DAY) == []
    assert watched.alarms(77 * DAY) == ["BlockdCertificateExpiresSoon"] * 2
    assert watched.alarms(91 * DAY) == ["BlockdCertificateExpired"] * 2
    watched.write("one", *certificate("short.example", days=5))
    watched.write("two", *certificate("long.example", days=400))
    watched.look()
    assert watched.alarms(2 * DAY) == []  # of six days
    assert watched.alarms(4 * DAY) == ["BlockdCertificateExpiresSoon"]


def test_what_is_told_says_whom_it_is_for_and_until_when(watched: Watched) -> None:
    status = watched.watch.status(time.time())[0]
    told = status.to_json()
    assert told["certificate"] == str(watched.folder / "one.pem")
    assert told["names"] == ["one.example"]
    assert told["refusal"] is None
    assert 89 * DAY < status.expires_in_seconds <= 90 * DAY
    assert status.text == f"{watched.folder / 'one.pem'} for one.example, until {told['expires']}"


def test_without_certificates_nothing_is_looked_at() -> None:
    watch = CertificateWatch([], [], None, Timing())  # type: ignore[arg-type]
    asyncio.run(watch.look())
    assert watch.status(0.0) == ()


def test_the_descriptor_that_was_handed_on_is_closed(watched: Watched) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        watched.look(is_due=True)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_certificate_that_has_expired_is_told_at_the_start_and_when_it_is_read(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    async def once(_: float) -> None:
        raise asyncio.CancelledError

    settings = Settings.model_validate(
        {
            "listen": {"dot": ["127.0.0.1:853"]},
            "certificates": [{"chain": str(one.chain), "key": str(one.key)} for one in watched.files],
        },
        context={"folder": watched.folder},
    )
    timing = Timing(clock=lambda: time.time() + 1000 * DAY, monotonic=lambda: watched.now, sleep=once)
    watch = CertificateWatch.of(settings, watched.begun, watched, timing)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch.run())
    told = [line.message for line in caplog.records if line.levelno == logging.WARNING]
    assert [line.partition(" expired on ")[0] for line in told] == [str(one.chain) for one in watched.files]
    assert all(line.endswith(f": clients refuse it. {RENEW}") for line in told)
