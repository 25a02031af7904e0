"""A list with a signature of its own, as a regulator publishes it, from its files to the answers of a daemon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemon.harness import DATA, Daemon, everywhere, put, until
from tests.upstream import UpstreamSimulator

COMLOT = DATA / "comlot"
LIST = "comlot_blacklist.txt"

pytestmark = pytest.mark.skipif(not COMLOT.is_dir(), reason="the shared test data is not beside this checkout")


def publish(daemon: Daemon, version: str, suffixes: tuple[str, ...] = ("", ".sign")) -> None:
    for suffix in suffixes:
        put(daemon.folder / (LIST + suffix), (COMLOT / f"comlot_blacklist_{version}.txt{suffix}").read_bytes())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("detached")
    put(folder / "ads", b"[Adblock Plus 2.0]\n||ads.example^\n|one.ads-site.example^\n##.banner\n@@||bet365.com^\n")
    put(folder / "key", (COMLOT / "blacklist.comlot.ch.pub").read_bytes())
    comlot = {
        "name": "comlot",
        "type": "domains",
        "path": LIST,
        "interval": "200ms",
        "signature": {"type": "rsa-sha256", "key": "key"},
    }
    running = Daemon(folder, comlot, {"name": "ads", "type": "adblock", "path": "ads"}, upstream=resolver.address)
    publish(running, "20191126")
    with running:
        yield running


def is_blocked(daemon: Daemon, name: str) -> bool:
    return bool(daemon.ask(name).addresses == ["127.0.0.1"])


def test_the_signed_list_is_enforced_and_a_changed_one_is_not(daemon: Daemon) -> None:
    everywhere(lambda: is_blocked(daemon, "www.bet365.com"), "the signed list is enforced")
    changed = (COMLOT / "comlot_blacklist_20191126.txt").read_bytes().replace(b"bet365.com\n", b"")
    put(daemon.folder / LIST, changed)
    until(lambda: "no valid signature" in (daemon.feed("comlot")["refusal"] or ""), "the changed list is refused")
    assert daemon.metric("blockd_feed_refused_total", feed="comlot", reason="unsigned") >= 1
    assert is_blocked(daemon, "www.bet365.com")


def test_the_next_version_waits_for_its_signature(daemon: Daemon) -> None:
    publish(daemon, "20200317", ("",))
    until(lambda: "no valid signature" in (daemon.feed("comlot")["refusal"] or ""), "the list alone is refused")
    assert not is_blocked(daemon, "efbet.net")
    publish(daemon, "20200317", (".sign",))
    everywhere(lambda: is_blocked(daemon, "efbet.net"), "the list is enforced once it is signed")
    until(lambda: not daemon.feed("comlot")["refusal"], "the feed is good again")


def test_the_ad_blockers_list_beside_it_keeps_its_exceptions_to_itself(daemon: Daemon) -> None:
    everywhere(lambda: is_blocked(daemon, "x.ads.example"), "the ad blocker's list is enforced")
    assert is_blocked(daemon, "one.ads-site.example")
    assert not is_blocked(daemon, "x.one.ads-site.example")
    assert is_blocked(daemon, "bet365.com")
