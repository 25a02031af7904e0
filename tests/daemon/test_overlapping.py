"""Orders that name the same thing: which one decides, what lookup says of the others, and what comes after an end."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.daemon.authorities import Authorities, soon, text
from tests.daemon.harness import SLACK, Daemon, everywhere, write_list
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
NAME = "www.shared.example"


def because(daemon: Daemon, name: str) -> dict[str, str]:
    """Return what is said of each order that covers a name, by its id or, of a list, by its feed."""
    claims = daemon.lookup(name)["claims"]
    return {claim["order"].get("id") or claim["order"]["list"]: claim["because"] for claim in claims}


def test_the_rule_decides_and_the_next_one_takes_over_on_the_second(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    resolver.plan("allowed.shared.example", "A", "allowed.shared.example. 60 IN A 192.0.2.77")
    authorities = Authorities(tmp_path / "authorities")
    authorities.order("court", "court-1", [NAME], in_force_from="2026-02-01", action="nxdomain")
    authorities.order("bank", "bank-1", ["shared.example"], in_force_from="2026-01-01", action="refused")
    authorities.publish()
    write_list(tmp_path / "own", [NAME])
    write_list(tmp_path / "never", ["allowed.shared.example"])
    lists = [
        {"name": "own", "type": "domains", "path": str(tmp_path / "own"), "action": "nodata", "priority": 50},
        {"name": "never", "type": "domains", "path": str(tmp_path / "never"), "action": "allow", "priority": 90},
    ]
    with Daemon(tmp_path / "daemon", authorities.feed(), *lists, upstream=resolver.address) as daemon:
        everywhere(lambda: daemon.ask(NAME).rcode == "NXDOMAIN", "it enforces")
        end = soon(12)
        authorities.order("telecom", "telecom-1", [NAME], in_force_from="2026-03-01", expires=text(end))
        authorities.publish()
        everywhere(lambda: daemon.ask(NAME).addresses == SINKHOLE, "the later order is enforced")
        daemon.refresh()
        version = daemon.status()["ruleset"]["version"]
        assert time.time() < end.timestamp() - 1, "this machine was too slow for the test"
        assert because(daemon, NAME) == {
            "telecom-1": "it decides",
            "court-1": "order telecom/telecom-1 is of a later date",
            "own": "feed national comes before own, by priority 10 and 50",
            "bank-1": "order telecom/telecom-1 is of a later date",
        }
        assert daemon.ask("allowed.shared.example").addresses == ["192.0.2.77"]
        beaten = because(daemon, "allowed.shared.example")
        assert beaten["bank-1"] == "the allow entry allowed.shared.example of feed never beats every block"
        assert daemon.ask("other.shared.example").rcode == "REFUSED"

        shutil.rmtree(authorities.out)  # nothing can be downloaded any more
        everywhere(lambda: daemon.ask(NAME).addresses != SINKHOLE, "the first order has expired")
        assert 0 <= time.time() - end.timestamp() < SLACK
        assert daemon.ask(NAME).rcode == "NXDOMAIN"
        told = daemon.lookup(NAME)
        assert (told["order"]["id"], told["role"], told["version"]) == ("court-1", "court", version)
        assert because(daemon, NAME) == {
            "telecom-1": "it is expired",
            "court-1": "it decides",
            "own": "feed national comes before own, by priority 10 and 50",
            "bank-1": "order court/court-1 is of a later date",
        }
        shown = daemon.run_verb("lookup", NAME).stdout
        assert "also expired: order telecom/telecom-1, by www.shared.example in feed national; it is expired" in shown
