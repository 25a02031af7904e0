"""A confidential order from the authority's command to its lifting: nobody tells the name, and nobody writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.authorities import NAMES, Authorities
from tests.daemon.harness import Daemon, everywhere, has_dig, request, until
from tests.upstream import UpstreamSimulator

HIDDEN = "kestrel-hideout.example"
WORD = b"kestrel-hideout"
ORDER = "court-secret-1"
SINKHOLE = ["127.0.0.1"]
OPEN = ["192.0.2.55"]

pytestmark = pytest.mark.skipif(not has_dig(), reason="dig is not installed")


def test_nobody_tells_the_name_from_the_order_to_its_lifting(
    tmp_path: Path, resolver: UpstreamSimulator, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    resolver.plan(HIDDEN, "A", f"{HIDDEN}. 60 IN A {OPEN[0]}")
    authorities = Authorities(tmp_path / "authorities")
    authorities.order("telecom", "telecom-1", ["listed.example"])
    authorities.publish()
    workshop = str(authorities.workshop.folder)
    heard: list[bytes] = []

    def publish(*order: str) -> None:
        """Do a step with the order, then sign and publish, each by its command."""
        for step in (order, ("sign", workshop), ("publish", workshop, str(authorities.out))):
            assert main(["authority", *step]) == 0, capsysbinary.readouterr()
        heard.extend(capsysbinary.readouterr())

    def ask_everybody() -> None:
        """Hear all that tells of what is enforced."""
        heard.extend(daemon.get(path)[1] for path in ("/api/status", "/metrics", "/"))
        for verb in (("status",), ("versions",), ("audit",), ("audit", "verify"), ("diff", "1", "2")):
            hear_verb(*verb)

    def hear_verb(*verb: str) -> None:
        done = daemon.run_verb(*verb)
        heard.append((done.stdout + done.stderr).encode())
        assert "Traceback" not in done.stderr

    with Daemon(tmp_path / "daemon", authorities.feed(), upstream=resolver.address, log_level="info") as daemon:
        until(daemon.is_ready, "it enforces")
        publish(
            "order", "new", "--role", "court", "--id", ORDER, "--confidential", "--platform", "Quiet Messenger",
            "--legal-basis", "Sample regulation 1", "--contact", "objections@example.net", "--from", "2026-01-01",
            "--expires", "never", "--name", HIDDEN, workshop,
        )  # fmt: skip
        everywhere(lambda: daemon.ask(HIDDEN).addresses == SINKHOLE, "the order is enforced")
        daemon.refresh()
        ede = f"(Censored): (order court/{ORDER}, {NAMES['court']}; objections: objections@example.net)"
        assert ede in daemon.dig(f"www.{HIDDEN}")
        for accept in ("text/html", "application/problem+json"):
            with request("GET", daemon.http_port, "/", {"Host": HIDDEN, "Accept": accept}) as response:
                page = response.read()
            assert (response.status, ORDER.encode() in page) == (451, True)
            heard.append(page)
        told = daemon.lookup(HIDDEN)
        assert (told["name"], told["verdict"], told["role"]) == (
            f"confidential order court/{ORDER}",
            "sinkhole",
            "court",
        )
        heard += [daemon.get(f"/api/lookup?name={name}&trace=1")[1] for name in (HIDDEN, f"www.{HIDDEN}")]
        until(lambda: ORDER.encode() in daemon.get("/api/v1/blocks/recent")[1], "the block is told without its name")
        figures = ("blocks/recent", "timeline", "duty", "hits", "resolver", "ending", "overview")
        heard += [daemon.get(f"/api/v1/{figure}")[1] for figure in figures]
        hear_verb("lookup", HIDDEN)
        ask_everybody()
        publish("order", "lift", workshop, ORDER, "--reason", "The court has ended it.")
        everywhere(lambda: daemon.ask(HIDDEN).addresses == OPEN, "the order is lifted")
        daemon.refresh()
        assert daemon.lookup(HIDDEN)["claims"] == [], "of a name that is asked for, nobody tells that it was listed"
        ask_everybody()
        heard += [daemon.log.encode(), daemon.banner.encode()]
    heard.append(daemon.log.encode())
    assert ORDER.encode() in b"".join(heard)
    for part in heard:
        assert WORD not in part
        assert b"Quiet Messenger" not in part
    for path in sorted(tmp_path.rglob("*")):
        assert WORD not in path.name.encode()
        assert not path.is_file() or WORD not in path.read_bytes(), path
