"""A confidential order is enforced by a daemon that nowhere prints, labels, logs, answers or stores the name."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.names import key_from_text, name_digest
from blockd.publish.documents import to_bytes
from tests.daemon.harness import Daemon, content_of, everywhere, request, until, write_list
from tests.daemon.publisher import Publisher
from tests.feeds.authority import forge
from tests.upstream import UpstreamSimulator

NAME = "kestrel-hideout.example"
TELLING = (b"kestrel-hideout", b"Quiet Messenger", b"why it was made")  # what nobody may read
SALT = bytes(range(16))
CHAIN = "cdn.open.example"


def _publish(publisher: Publisher) -> None:
    """Publish an order with hashes in the place of names."""
    document = {
        "schema": "1.0",
        "id": "hidden-1",
        "authority": "Sample Authority",
        "platform": "Quiet Messenger",
        "mandate": "law",
        "legal_basis": "Sample regulation 1",
        "summary": "why it was made",
        "contact": "objections@example.net",
        "in_force_from": "2026-01-01",
        "expires": None,
        "confidential": True,
        "hashed": {"salt": SALT.hex(), "names": [name_digest(key_from_text(NAME), SALT).hex()]},
    }
    forge(publisher, "hidden-1", to_bytes(document))  # type: ignore[arg-type]  # it has all that is needed


def _stored(folder: Path) -> bytes:
    """Return all that lies in a folder."""
    return b"\n".join(content_of(folder).values())


@pytest.mark.parametrize("engine", ["native", "python"])
def test_no_word_of_the_name(
    tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    if engine == "native":
        pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    monkeypatch.setenv("BLOCKD_ENGINE", engine)
    resolver.plan(CHAIN, "A", f"{CHAIN}. 60 IN CNAME www.{NAME}.", f"www.{NAME}. 60 IN A 198.51.100.9")
    _publish(publisher)
    write_list(tmp_path / "list", ["open-3.example"])
    other = {"name": "other", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    heard: list[bytes] = []
    with Daemon(tmp_path / "daemon", publisher.feed(), other, upstream=resolver.address, log_level="info") as daemon:
        everywhere(lambda: daemon.ask(NAME).addresses == ["127.0.0.1"], "the order is enforced")
        for name in (NAME, f"www.{NAME}"):
            for kind, tcp in (("A", False), ("AAAA", True), ("HTTPS", False)):
                answer = daemon.ask(name, kind, tcp=tcp, edns=True)
                assert answer.rcode == "NOERROR"
                (option,) = answer.message.options
                assert option.to_text().endswith("order hidden-1, Sample Authority; objections: objections@example.net")
                owners = {record.name.to_text() for record in answer.message.authority}
                assert owners <= {f"{name}."}, "the owner would tell which name above it is listed"
        assert daemon.ask(CHAIN).addresses == ["127.0.0.1"], "what leads to the name is treated as the name"
        until(lambda: daemon.get("/healthz")[0] == 200, "the block page follows the workers")
        for accept in ("text/html", "application/problem+json"):
            with request("GET", daemon.http_port, "/", {"Host": f"www.{NAME}", "Accept": accept}) as response:
                heard.append(response.read())
                assert (response.status, b"hidden-1" in heard[-1]) == (451, True)
        told = daemon.lookup(NAME)
        assert (told["name"], told["entry"]) == ("confidential order hidden-1", "confidential")
        paths = ("/api/status", f"/api/lookup?name={NAME}", f"/api/lookup?name=www.{NAME}&trace=1", "/metrics")
        heard += [daemon.get(path)[1] for path in (*paths, "/", "/healthz", "/readyz")]
        assert daemon.metric("blockd_hits_total", order="hidden-1", platform="confidential") > 0
        write_list(tmp_path / "list", ["open-3.example", "open-4.example"])
        everywhere(lambda: daemon.ask("open-4.example").addresses == ["127.0.0.1"], "other news are enforced")
        verbs = (("status",), ("versions",), ("diff", "1", "2"), ("lookup", NAME), ("lookup", f"www.{NAME}", "--json"))
        for verb in verbs if engine == "native" else verbs[-2:]:
            done = daemon.run_verb(*verb)
            heard += [done.stdout.encode(), done.stderr.encode()]
            assert done.returncode == 0, done.stderr
        assert b"confidential order hidden-1: sinkhole" in b"".join(heard)
        heard += [daemon.log.encode(), daemon.banner.encode()]
    text = b"\n".join((*heard, daemon.log.encode()))
    for telling in TELLING:
        assert telling not in text, telling
    assert TELLING[0] not in _stored(daemon.folder)
