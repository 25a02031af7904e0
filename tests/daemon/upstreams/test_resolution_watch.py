"""How names are resolved follows the machine while a daemon runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.channel import Message
from blockd.daemon.timing import Timing
from blockd.daemon.upstreams.news import news
from blockd.daemon.upstreams.resolution_watch import AGAIN, ResolutionWatch
from blockd.resolver.machine.system import System
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings


class Ended(Exception):
    """The watch has looked as often as a test wants."""


class Watched:
    """A machine with a resolv.conf and addresses, and a watch of it that a test turns."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.resolv_conf = folder / "resolv.conf"
        self.own: set[str] = set()
        self.looked = 0
        self.now = 0.0
        self.sent: list[Message] = []
        outer = self

        class Simulated(System):
            def owns_address(self, host: str) -> bool:
                outer.looked += 1
                return host in outer.own

        settings = Settings.model_validate(config, context={"folder": None})
        system = Simulated(self.resolv_conf, folder / "none")
        self.begun = Resolution.of(settings, self.resolv_conf)
        timing = Timing(monotonic=lambda: self.now, sleep=self._sleep)
        self.watch = ResolutionWatch(settings, self.begun, self, timing, system)
        self._steps: list[Callable[[], None]] = []

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        self.sent.append(message)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if not self._steps:
            raise Ended
        self._steps.pop(0)()

    def run(self, *steps: Callable[[], object]) -> None:
        """Look once, then after each step, a second later."""
        self._steps = [lambda step=step: step() and None for step in steps]  # type: ignore[misc]
        with pytest.raises(Ended):
            asyncio.run(self.watch.run())

    def named(self, *hosts: str) -> Callable[[], None]:
        """Return what has resolv.conf written anew."""

        def write() -> None:
            written = self.resolv_conf.with_suffix(".new")
            written.write_text("".join(f"nameserver {host}\n" for host in hosts))
            written.replace(self.resolv_conf)

        return write

    @property
    def asked(self) -> list[str]:
        return [upstream.host for upstream in self.watch.resolution.upstreams]


def nothing() -> None:
    """Let a second pass."""


def test_resolv_conf_is_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched(tmp_path)
    assert watched.begun.observation.trouble
    changes: list[list[str]] = []
    watched.watch.listen(lambda resolution: changes.append([one.host for one in resolution.upstreams]))
    watched.run(nothing, watched.named("192.0.2.1"), nothing, watched.named("fe80::1%lo", "192.0.2.2"))
    assert changes == [["192.0.2.1"], ["fe80::1%lo", "192.0.2.2"]]
    assert [message["resolution"]["name_servers"] for message in watched.sent][-1] == ("fe80::1%lo", "192.0.2.2")
    assert [record.getMessage() for record in caplog.records] == [
        "/etc/resolv.conf names other resolvers: 192.0.2.1; before: none. They are asked now.",
        "/etc/resolv.conf names other resolvers: fe80::1%lo, 192.0.2.2; before: 192.0.2.1. They are asked now.",
    ]


@pytest.mark.parametrize("is_removed", [False, True])
def test_resolvers_stay_in_use_while_the_file_names_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, is_removed: bool
) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched(tmp_path)
    watched.named("192.0.2.1")()
    watched.run(nothing, watched.resolv_conf.unlink if is_removed else watched.named(), nothing)
    assert watched.asked == ["192.0.2.1"]
    assert watched.watch.resolution.observation.trouble
    assert caplog.records[-1].levelno == logging.WARNING
    assert caplog.records[-1].getMessage().endswith("; the resolvers that it named last stay in use.")
    watched.run(watched.named("192.0.2.1"))
    assert not watched.watch.resolution.observation.trouble
    assert caplog.records[-1].getMessage() == "/etc/resolv.conf names the system's upstreams again."


def test_an_unchanged_file_is_read_once_a_minute(tmp_path: Path) -> None:
    watched = Watched(tmp_path, listen={"dns": ["0.0.0.0:53"]})
    watched.named("192.0.2.1")()
    watched.run(*[nothing] * int(AGAIN - 1))
    assert (watched.looked, len(watched.sent)) == (1, 1)
    watched.run(*[nothing] * int(AGAIN - 2))
    assert (watched.looked, len(watched.sent)) == (2, 2), "it is told again, since a message may be lost"


def test_an_address_of_this_machine_that_appears_later_is_seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched(tmp_path, listen={"dns": ["0.0.0.0:53"]}, upstreams=["10.0.0.5", "192.0.2.1"])
    appear, vanish = (lambda: watched.own.add("10.0.0.5")), watched.own.clear
    minute = [nothing] * int(AGAIN)
    watched.run(appear, *minute)
    assert watched.asked == ["192.0.2.1"]
    assert caplog.records[-1].getMessage() == "The upstream 10.0.0.5:53 is blockd itself; it is left out."
    watched.run(vanish, *minute)
    assert watched.asked == ["10.0.0.5", "192.0.2.1"]
    assert caplog.records[-1].getMessage() == (
        "The upstream 10.0.0.5:53 leads back to blockd no more; it is asked again."
    )


def test_an_upstream_whose_questions_come_back_is_left_out(tmp_path: Path) -> None:
    watched = Watched(tmp_path, upstreams=["192.0.2.1", "192.0.2.2"])
    watched.watch.note_led_back(("192.0.2.1:53",))
    assert watched.asked == ["192.0.2.2"]
    watched.run(nothing)
    assert watched.asked == ["192.0.2.2"], "a look at the machine says nothing else"
    watched.watch.note_led_back(("192.0.2.1:53", "192.0.2.2:53"))
    assert watched.asked == []
    assert [sentence for _, sentence in news(watched.begun, watched.watch.resolution)][-1].startswith(
        "There is no upstream"
    )
    watched.watch.note_led_back(())
    assert watched.asked == ["192.0.2.1", "192.0.2.2"]


def test_what_a_start_finds_is_told(tmp_path: Path) -> None:
    settings = Settings.model_validate({"listen": {"dns": ["127.0.0.1:53"]}}, context={"folder": None})
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    told = list(news(None, Resolution.of(settings, tmp_path / "resolv.conf")))
    assert [sentence for _, sentence in told] == [
        "The upstream 127.0.0.1:53 is blockd itself; it is left out.",
        "There is no upstream: names that are not listed will get SERVFAIL. Set `upstreams` in the config.",
    ]
    absent = list(news(None, Resolution.of(settings, tmp_path / "absent")))
    assert absent[0][1].startswith("The system's upstreams are unknown: /etc/resolv.conf cannot be read: No such file")
