"""What a running daemon answers is what its OpenAPI document promises, key for key, whatever it enforces."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from blockd.times import time_text
from tests.daemon.harness import Daemon, write_list

schemas = pytest.importorskip("jsonschema_rs", reason="what checks JSON against schemas is not installed")


class Described:
    """A daemon's document, by which answers are checked."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.document: dict[str, Any] = json.loads(daemon.get("/api/v1/openapi.json")[1])

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        """Ask a question; its answer has to be as the document says."""
        got, octets = self.daemon.get(path)
        assert got == status, octets
        return self._checked("get", path, got, json.loads(octets))

    def post(self, path: str, body: dict[str, object], status: int = 200) -> dict[str, Any]:
        """Have something done; what is sent and answered has to be as the document says."""
        got, told = self.daemon.post(path, body)
        assert got == status, told
        return self._checked("post", path, got, told)

    def _checked(self, method: str, path: str, status: int, told: dict[str, Any]) -> dict[str, Any]:
        bare = path.partition("?")[0]
        place = next(known for known in self.document["paths"] if _fits(known, bare))
        described = self.document["paths"][place][method]["responses"][str(status)]
        if "$ref" in described:
            described = self.document["components"]["responses"]["Problem"]
        form = "application/json" if status < 400 or "asked" in told else "application/problem+json"
        content = described["content"][form]
        schema = {**content["schema"], "components": self.document["components"]}
        wrong = [f"{list(error.instance_path)}: {error.message}" for error in _errors(schema, told)]
        assert wrong == [], f"{path}: {wrong}"
        return told


def _errors(schema: dict[str, Any], told: dict[str, Any]) -> list[Any]:
    return list(schemas.Draft202012Validator(schema).iter_errors(told))


def _fits(known: str, path: str) -> bool:
    prefix, brace, _ = known.partition("{")
    return path.startswith(prefix) and len(path) > len(prefix) if brace else known == path


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    folder = tmp_path_factory.mktemp("api")
    listed = folder / "national.txt"
    write_list(listed, ["a.example", "b.example", "co.id", *(f"n{number}.example" for number in range(1200))])
    feed = {"name": "national", "type": "domains", "path": str(listed)}
    with Daemon(folder, feed, gate={"max_shrink": "10%"}) as daemon:
        daemon.wait_for_version(1)
        yield Described(daemon)
        daemon.assert_no_fault()


def test_questions_about_what_is_enforced(described: Described) -> None:
    for path in (
        *("status", "feeds", "versions", "overrides", "held", "orders", "whoami", "traffic", "cache?name=a.example"),
        *("overview", "blocks/recent", "timeline", "series", "duty", "hits", "hits?by=authority&span=13mo", "resolver"),
        *("ending", "lookup?name=a.example", "lookup?name=free.example&resolve=1", "lookup?name=192.0.2.1"),
        *("lookup?name=a.example&trace=1&resolve=true&client=192.0.2.7", "lookup?name=co.id&trace=quick"),
    ):
        described.get(f"/api/v1/{path}")
    described.get("/api/v1/orders/nobody", 404)
    described.get("/api/v1/lookup?name=a..b", 422)
    described.get("/api/v1/diff?old=1&new=99", 422)


def test_what_is_held_back_is_shown_with_its_line_and_let_through(described: Described) -> None:
    [entry] = described.get("/api/v1/held")["feeds"]["national"]["entries"]
    assert (entry["entry"], entry["held"], entry["line"]["text"]) == ("co.id", True, "co.id")
    assert described.get("/api/v1/held?feed=other")["feeds"] == {}
    done = described.post("/api/v1/held", {"release": {"name": "co.id", "reason": "It is theirs."}})
    assert done["outcome"] == "enforced"
    assert [release["entry"] for release in described.get("/api/v1/held")["releases"]] == ["co.id"]
    assert described.post("/api/v1/held", {"hold": {"name": "co.id", "reason": "It is not."}})["over"]


def test_a_version_is_compared_with_another_and_returned_to(described: Described) -> None:
    before = described.get("/api/v1/versions")["current"]
    until_date = time_text(int(time.time()) + 3600)
    asked: dict[str, object] = {"add": {"name": "a.example", "reason": "A hospital.", "until": until_date}}
    added = described.post("/api/v1/override", asked)
    assert (added["outcome"], added["before"]["verdict"]) == ("enforced", "sinkhole")
    assert [one["name"] for one in described.get("/api/v1/overrides")["overrides"]] == ["a.example"]
    now = described.get("/api/v1/versions")["current"]
    changed = described.get(f"/api/v1/diff?old={before}&new={now}")
    assert (changed["old"], changed["new"], changed["changed"]) == (before, now, 1)
    assert changed["orders"]["more"] == {"came": 0, "went": 0, "changed": 0}
    whole = described.get(f"/api/v1/version?version={now}")
    assert {part["name"] for part in whole["feeds"]} == {"national", "overrides"}
    assert "feeds" not in described.get("/api/v1/versions")["versions"][0]
    described.get("/api/v1/version?version=99", 422)
    assert described.get(f"/api/v1/diff?old={now}&new={before}")["changed"] == 1
    described.get(f"/api/v1/orders/{added['id']}")
    assert described.post("/api/v1/rollback", {"version": before, "reason": "To see."})["pinned"] == before
    assert described.get("/api/v1/status")["pinned"]["reason"] == "To see."
    assert described.post("/api/v1/rollback", {"release": True, "reason": "Seen."})["pinned"] is None
    assert described.post("/api/v1/override", {"end": {"name": "a.example", "reason": "Over."}})["over"]
    described.get("/api/v1/timeline")


def test_a_refused_content_waits_and_is_taken_once(described: Described) -> None:
    write_list(described.daemon.folder / "national.txt", ["a.example"])
    polled = described.post("/api/v1/refresh", {"feeds": ["national"]})
    assert polled["feeds"]["national"]["outcome"] == "refused"
    refused = described.get("/api/v1/held")["refused"]["national"]
    asked: dict[str, object] = {"feed": "national", "digest": refused["digest"], "reason": "It is right."}
    assert described.post("/api/v1/accept", asked)["outcome"] == "enforced"
    assert described.get("/api/v1/held")["refused"] == {}
    described.post("/api/v1/accept", asked, 422)


def test_other_commands(described: Described) -> None:
    described.post("/api/v1/hint", {"feed": "national"}, 202)
    described.post("/api/v1/cache/flush", {"all": True})
    described.post("/api/v1/cache/flush", {"below": "example"})
    described.post("/api/v1/statement", {})
    described.post("/api/v1/refresh", {"feeds": ["nobody"]}, 422)
    described.post("/api/v1/refresh", {"feed": "national"}, 400)
