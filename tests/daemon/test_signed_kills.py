"""All processes are killed at any moment while a signed list changes: what is enforced is always whole, and signed."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.daemon.authorities import Authorities
from tests.daemon.harness import Daemon, until, write_list
from tests.daemon.mirror import mirrored
from tests.effort import tries
from tests.upstream import UpstreamSimulator

MOMENTS = tries(3, 100)
PACE = 0.3  # seconds from one list to the next
LONGEST = 1.5  # seconds from a start to the kill
NAMES = 5_000
BEHIND = 20  # lists by which a start may be behind; all before would be asked for longer than a list lasts
SINKHOLE = ["127.0.0.1"]


class Changing(threading.Thread):
    """Signs and publishes list after list; `number` is that of the newest that may have been seen."""

    def __init__(self, authorities: Authorities) -> None:
        super().__init__(daemon=True)
        self.number = 0
        self._authorities = authorities
        self._stop_asked = threading.Event()
        self._fault: Exception | None = None
        self.once()

    def once(self) -> None:
        """Publish the next list: two of its names change, and one comes in a document."""
        self.number += 1
        path = self._authorities.folder / "names"
        write_list(
            path, ["always.example", round_name(self.number), *(f"name-{place}.example" for place in range(NAMES))]
        )
        self._authorities.long("bank", "bank-national", path)
        self._authorities.order("court", "court-1", ["small.example", f"small-{self.number}.example"])
        self._authorities.publish()

    def run(self) -> None:
        """Go on until asked to stop."""
        try:
            while not self._stop_asked.is_set():
                begun = time.monotonic()
                self.once()
                self._stop_asked.wait(max(0.0, begun + PACE - time.monotonic()))
        except Exception as error:  # told when it is stopped
            self._fault = error

    def stop(self) -> None:
        """Have it stop, and raise what has gone wrong meanwhile."""
        self._stop_asked.set()
        self.join()
        if self._fault is not None:
            raise self._fault


def round_name(number: int) -> str:
    return f"round-{number}.example"


def enforced(daemon: Daemon, since: int, changing: Changing) -> set[int]:
    """Return the lists from `since` on that are enforced, by the workers that happen to be asked."""
    return {number for number in range(since, changing.number + 3) if is_blocked(daemon, round_name(number))}


def some_enforced(daemon: Daemon, since: int, changing: Changing) -> set[int]:
    """Return the same where there are any: while workers change over, each name may be asked of the wrong one."""
    found: list[set[int]] = []

    def look() -> set[int]:
        found.append(enforced(daemon, since, changing))
        return found[-1]

    until(look, "a list is enforced whole")
    return found[-1]


def is_blocked(daemon: Daemon, name: str) -> bool:
    return daemon.ask(name, tcp=True).addresses == SINKHOLE


def test_only_what_was_signed_is_enforced_after_any_kill_and_it_goes_on(
    tmp_path: Path, resolver: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # of the publisher, who is not killed
    dice = random.Random(11)  # noqa: S311 - the same moments each time, as far as a machine repeats itself
    pause = threading.Event()  # never set: it only waits
    authorities = Authorities(tmp_path / "authorities")
    changing = Changing(authorities)
    seen = 1
    with mirrored(authorities.out) as mirror:
        daemon = Daemon(tmp_path / "daemon", authorities.feed(mirror.url), upstream=resolver.address)
        daemon.start()
        try:
            until(daemon.is_ready, "it enforces")
            changing.start()
            for _ in range(MOMENTS):
                pause.wait(dice.uniform(0.0, LONGEST))
                seen = max(enforced(daemon, seen, changing) | {seen})
                daemon.destroy()
                daemon.launch()
                assert daemon.first_answer("always.example").addresses == SINKHOLE
                assert is_blocked(daemon, "small.example")
                assert is_blocked(daemon, f"name-{NAMES - 1}.example")
                before = max(1, seen - BEHIND)
                found = some_enforced(daemon, before, changing)
                assert max(found) <= changing.number, "it was not signed"
                daemon.wait_for_banner()
                # A version is marked once it has passed its test: who is killed before that starts with the one marked
                # before, and takes what was there again with its first look.
                until(lambda: seen <= min(enforced(daemon, before, changing), default=0), "it is where it was")  # noqa: B023
                seen = max(seen, *found)
                until(lambda: enforced(daemon, seen + 1, changing), "it goes on with newer lists")  # noqa: B023
            changing.stop()
            until(lambda: enforced(daemon, 1, changing) == {changing.number}, "the last list is enforced, and no other")
            assert is_blocked(daemon, f"small-{changing.number}.example")
            assert daemon.run_verb("audit", "verify").returncode == 0
            daemon.stop()
        finally:
            changing.stop()
            daemon.destroy()
