"""A policy zone by transfer: from real primaries to what is answered, and what a primary cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.opcode
import dns.rcode
import pytest

from tests.daemon.harness import Daemon, everywhere, until
from tests.daemon.primaries import SECRET, ZONE, RealPrimary, running
from tests.feeds.transfer.messages import soa
from tests.feeds.transfer.primary import Primary, in_thread
from tests.feeds.transfer.test_source import LIES
from tests.upstream import UpstreamSimulator

ADDRESS = "192.0.2.77"  # what the zone answers; all other names are missing
RECORDS = [f"bad-{number}.example A {ADDRESS}" for number in range(50)]


@contextmanager
def transferring(
    folder: Path,
    kind: str,
    resolver: UpstreamSimulator,
    *,
    secret: str = SECRET,
    more: str = "",
    host: str = "127.0.0.1",
) -> Iterator[tuple[Daemon, RealPrimary]]:
    """Yield a daemon that transfers its only zone from a real primary, which it knows as `host`."""
    daemon = Daemon(folder / "blockd", upstream=resolver.address)
    key = daemon.folder / "secret"
    key.write_text(secret, encoding="ascii")
    key.chmod(0o600)
    for primary in running(kind, folder / kind, daemon.dns_port, RECORDS, more):
        daemon.settings["feeds"] = [
            {
                "name": "live",
                "type": "rpz-transfer",
                "primary": f"{host}:{primary.port}",
                "zone": ZONE,
                "tsig": {"name": "transfers", "secret_file": "secret"},
                "min_refresh": "1s",
            }
        ]
        with daemon:
            yield daemon, primary


@pytest.mark.parametrize("kind", ["knotd", "named"])
def test_a_zone_is_transferred_and_follows_each_notify(tmp_path: Path, kind: str, resolver: UpstreamSimulator) -> None:
    with transferring(tmp_path, kind, resolver) as (daemon, primary):
        everywhere(lambda: daemon.ask("bad-1.example").addresses == [ADDRESS], f"the zone is enforced\n{primary.log}")
        bases = sorted((daemon.state_dir / "feeds" / "live").glob("zone.*"))
        assert daemon.feed("live")["expires"] is not None
        primary.write(2, [*RECORDS[:1], *RECORDS[2:], f"new.example A {ADDRESS}"])
        everywhere(lambda: daemon.ask("new.example").addresses == [ADDRESS], f"what came is enforced\n{primary.log}")
        until(lambda: daemon.status()["ruleset"]["version"] == 2, "every worker enforces it")
        assert daemon.ask("bad-1.example").addresses == []
        assert daemon.ask("bad-2.example").addresses == [ADDRESS]
        # Its refresh is an hour, so a NOTIFY has told; what came was differences, since the base is the same.
        assert sorted((daemon.state_dir / "feeds" / "live").glob("zone.*")) == bases
        assert daemon.metric("blockd_feed_refused_total", feed="live") == 0
        version = daemon.status()["ruleset"]["version"]
        primary.stop()
        told = daemon.refresh()["feeds"]["live"]
        assert told["outcome"] == "refused"
        assert daemon.metric("blockd_feed_refused_total", feed="live", reason="unreachable") >= 1
        assert daemon.status()["ruleset"]["version"] == version
        assert daemon.ask("new.example").addresses == [ADDRESS]
        daemon.stop()
        daemon.launch()
        assert daemon.first_answer("new.example").addresses == [ADDRESS]
        daemon.wait_for_banner()


def test_a_primary_by_name_that_answers_no_question_gives_its_zone(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    more = "allow-query { none; }; provide-ixfr no;"
    with transferring(tmp_path, "named", resolver, more=more, host="localhost") as (daemon, primary):
        everywhere(lambda: daemon.ask("bad-1.example").addresses == [ADDRESS], f"the zone is enforced\n{primary.log}")
        primary.write(2, [*RECORDS[1:], f"new.example A {ADDRESS}"])  # whose NOTIFY comes from an address of the name
        everywhere(lambda: daemon.ask("new.example").addresses == [ADDRESS], f"what came is enforced\n{primary.log}")
        assert any("does not answer a question for its SOA" in note for note in daemon.feed("live")["notes"])
        assert daemon.metric("blockd_feed_refused_total", feed="live") == 0
        assert "note: " in daemon.run_verb("status").stdout


@pytest.mark.parametrize("kind", ["knotd", "named"])
def test_a_wrong_key_is_told_with_its_cause(tmp_path: Path, kind: str, resolver: UpstreamSimulator) -> None:
    wrong = SECRET.swapcase()
    with transferring(tmp_path, kind, resolver, secret=wrong) as (daemon, _):
        until(lambda: daemon.feed("live")["refusal"], "the transfer is refused")
        assert "TSIG key" in daemon.feed("live")["refusal"]
        assert daemon.metric("blockd_feed_refused_total", feed="live", reason="key") >= 1


@pytest.mark.parametrize("tcp", [False, True], ids=["UDP", "TCP"])
def test_a_notify_from_elsewhere_is_refused(tmp_path: Path, tcp: bool, resolver: UpstreamSimulator) -> None:
    feed = {"name": "live", "type": "rpz-transfer", "primary": "127.0.0.9", "zone": ZONE}
    with Daemon(tmp_path / "blockd", feed, upstream=resolver.address) as daemon:
        query = dns.message.make_query(ZONE, "SOA")
        query.set_opcode(dns.opcode.NOTIFY)
        assert daemon.exchange(query, tcp=tcp).rcode() == dns.rcode.REFUSED
        until(lambda: daemon.metric("blockd_notify_refused_total", feed="live", cause="address") == 1, "it is counted")
        [note] = daemon.feed("live")["notes"]
        assert "A NOTIFY from 127.0.0.1 about the zone rpz.example is not heeded for feed live" in note
        assert daemon.exchange(query, tcp=tcp, source="127.0.0.9").rcode() == dns.rcode.NOERROR
        until(lambda: daemon.feed("live")["notes"] == [], "it is heeded")


def test_a_primary_that_lies_neither_stops_the_daemon_nor_takes_a_rule_away(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    good = [[soa(5), f"bad.example.{ZONE}. 60 IN A {ADDRESS}"], [soa(5)]]
    with in_thread(Primary(5, axfr=good)) as primary:
        feed = {
            "name": "live",
            "type": "rpz-transfer",
            "primary": f"127.0.0.1:{primary.port}",
            "zone": ZONE,
            "min_refresh": "1d",
            "max_size": "1M",
        }
        with Daemon(tmp_path / "blockd", feed, upstream=resolver.address) as daemon:
            assert daemon.ask("bad.example").addresses == [ADDRESS]
            version = daemon.status()["ruleset"]["version"]
            for number, (name, (answer, reason)) in enumerate(LIES.items()):
                if reason == "stalled":
                    continue  # half a minute each
                primary.axfr = primary.ixfr = answer  # type: ignore[assignment]
                primary.serial = 6 + number
                told = daemon.refresh()["feeds"]["live"]
                assert told["outcome"] == "refused", name
                assert daemon.metric("blockd_feed_refused_total", feed="live", reason=reason) >= 1, name
                assert daemon.ask("bad.example").addresses == [ADDRESS]
            assert daemon.status()["ruleset"]["version"] == version
            primary.serial, primary.ixfr = (
                99,
                [[soa(99), soa(5), soa(98), soa(98), soa(99), soa(99)]],
            )  # empty, two at once
            assert daemon.refresh()["feeds"]["live"]["outcome"] == "enforced"
            assert daemon.ask("bad.example").addresses == [ADDRESS]


def test_check_reads_a_zone_by_transfer(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    with transferring(tmp_path, "knotd", resolver) as (daemon, _):
        done = daemon.run_verb("check")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "feed live is good: 50 names" in done.stdout
