"""Two web servers as mirrors of one feed at a running daemon, one of which lies, and then both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.authorities import Authorities
from tests.daemon.harness import Daemon, everywhere, until
from tests.daemon.mirror import ENDLESS, Lie, Mirror, mirrored
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
TIMESTAMP = "metadata/timestamp.json"
LOOKS = 3  # that it may take until the honest mirror is asked for what is new
LIES = {
    "older": "rollback",
    "unsigned": "signature",
    "cut": "cut",
    "html": "html",
    "endless": "too large",
    "another's": "signature",
}
"""What the liar says, and how it is told."""


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    made = Authorities(tmp_path / "authorities")
    made.order("telecom", "telecom-1", ["listed.example"])
    made.publish()
    return made


@pytest.fixture
def mirrors(authorities: Authorities) -> Iterator[tuple[Mirror, Mirror]]:
    with mirrored(authorities.out) as one, mirrored(authorities.out) as other:
        yield one, other


@pytest.fixture
def daemon(
    tmp_path: Path, authorities: Authorities, mirrors: tuple[Mirror, Mirror], resolver: UpstreamSimulator
) -> Iterator[Daemon]:
    feed = authorities.feed(mirrors[0].url, mirrors=[mirrors[1].url])
    with Daemon(tmp_path / "daemon", feed, upstream=resolver.address) as running:
        until(running.is_ready, "it enforces")
        yield running


def lies(authorities: Authorities, tmp_path: Path) -> dict[str, Lie]:
    """Return every lie, made of what is published now; something newer is published then."""
    now = (authorities.out / TIMESTAMP).read_bytes()
    unsigned = json.dumps({**json.loads(now), "signatures": []}).encode()
    stranger = Authorities(tmp_path / "stranger")
    stranger.order("telecom", "telecom-1", ["open-9.example"])
    for _ in range(9):
        stranger.publish()
    authorities.order("telecom", "newer", ["open-8.example"])
    authorities.publish()

    def of_timestamp(content: bytes) -> Lie:
        return lambda path: content if path == TIMESTAMP else None

    return {
        "older": of_timestamp(now),
        "unsigned": of_timestamp(unsigned),
        "cut": of_timestamp(now[:200]),
        "html": lambda _: b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "endless": of_timestamp(ENDLESS),
        "another's": lambda path: file.read_bytes() if (file := stranger.out / path).is_file() else None,
    }


def leader(daemon: Daemon) -> str:
    (first,) = [mirror["url"] for mirror in daemon.feed("national")["mirrors"] if mirror["leads"]]
    return str(first)


def told(daemon: Daemon, mirror: Mirror) -> tuple[str, str]:
    """Return the reason and the sentence that the status has of a mirror."""
    (found,) = [each for each in daemon.feed("national")["mirrors"] if each["url"] == mirror.url]
    return found["reason"], found["refusal"]


def test_whatever_one_mirror_says_the_other_ones_orders_are_enforced(
    tmp_path: Path, authorities: Authorities, mirrors: tuple[Mirror, Mirror], daemon: Daemon
) -> None:
    made = lies(authorities, tmp_path)
    assert made.keys() == LIES.keys()
    everywhere(
        lambda: daemon.ask("open-8.example").addresses == SINKHOLE, "there is something older than what is enforced"
    )
    for number, (lie, reason) in enumerate(LIES.items()):
        liar, honest = mirrors if leader(daemon) == mirrors[0].url else mirrors[::-1]
        liar.lie = made[lie]
        authorities.order("telecom", f"new-{number}", [f"open-{number}.example"])
        authorities.publish()
        published = len(honest.given)
        everywhere(lambda: daemon.ask(f"open-{number}.example").addresses == SINKHOLE, lie)  # noqa: B023 - used at once
        paths = [path for path, _ in honest.given]
        (fetched,) = [at for at, path in enumerate(paths) if path.endswith(f".new-{number}.json")]
        assert paths[published:fetched].count(TIMESTAMP) <= LOOKS
        assert daemon.feed("national")["refusal"] is None
        assert told(daemon, liar)[0] == reason, (lie, told(daemon, liar))
        assert told(daemon, honest) == ("", "")
        assert f"Feed national: the mirror {liar.url} is refused ({reason}): " in daemon.log
        assert told(daemon, liar)[1] in daemon.log
        liar.lie = None
        assert daemon.ask("open-9.example").addresses != SINKHOLE
    assert "is good again" in daemon.log


def test_where_both_lie_what_was_enforced_before_stays(
    tmp_path: Path, authorities: Authorities, mirrors: tuple[Mirror, Mirror], daemon: Daemon
) -> None:
    made = lies(authorities, tmp_path)
    everywhere(lambda: daemon.ask("open-8.example").addresses == SINKHOLE, "what is true is enforced")
    daemon.wait_for_version(2)
    version = daemon.status()["ruleset"]["version"]
    mirrors[0].lie, mirrors[1].lie = made["html"], made["another's"]
    authorities.order("telecom", "new", ["open-1.example"])
    authorities.publish()
    until(lambda: daemon.feed("national")["refusal"], "both are refused")
    assert "All 2 mirrors are refused." in daemon.feed("national")["refusal"]
    assert {told(daemon, mirror)[0] for mirror in mirrors} == {"html", "signature"}
    assert daemon.status()["ruleset"]["version"] == version
    assert [daemon.ask(name).addresses == SINKHOLE for name in ("listed.example", "open-1.example")] == [True, False]
    assert ("BlockdFeedRefused", "national") in {(a["name"], a["feed"]) for a in daemon.status()["alarms"]}
    shown = daemon.run_verb("status")
    assert shown.returncode == 1
    for mirror, reason in zip(mirrors, ("html", "signature"), strict=True):
        assert f"  mirror {mirror.url}" in shown.stdout
        assert f"    REFUSED ({reason}): {told(daemon, mirror)[1]}\n" in shown.stdout
    mirrors[1].lie = None
    everywhere(lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "one is honest again")
    assert daemon.feed("national")["refusal"] is None
