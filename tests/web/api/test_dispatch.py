"""Every route is asked, refused and answered by the same rules."""

from __future__ import annotations

import pytest

from blockd.web.api.table import ROUTES
from blockd.web.console.assets import assets
from tests.web.api.asking import Ask, served
from tests.web.figures.examples import OVERVIEW
from tests.web.test_admin import Daemon


def test_an_answer_has_a_tag_and_is_not_sent_again_to_who_has_it() -> None:
    async def use(ask: Ask) -> None:
        first = await ask("GET", "/api/v1/overview")
        assert (first.status, first.json) == (200, OVERVIEW.to_json())
        assert first.headers["Cache-Control"] == "private, no-cache"
        tag = first.headers["ETag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = await ask("GET", "/api/v1/overview", If_None_Match=known)
            assert (again.status, again.body, again.headers["ETag"]) == (304, "", tag)
        assert (await ask("GET", "/api/v1/overview", If_None_Match='"other"')).status == 200

    served(Daemon(), use)


def test_an_earlier_path_answers_as_it_did() -> None:
    async def use(ask: Ask) -> None:
        old, new = await ask("GET", "/api/status"), await ask("GET", "/api/v1/status")
        assert old.json == new.json
        assert "ETag" not in old.headers
        assert (old.headers["Cache-Control"], old.headers["Content-Type"]) == ("no-store", "application/json")

    served(Daemon(), use)


def test_what_cannot_be_done_is_a_problem_of_its_own_status() -> None:
    sentence = "No feed is called unknown; nothing was fetched."

    async def use(ask: Ask) -> None:
        refused = await ask("POST", "/api/v1/refresh", {"feeds": ["unknown"]})
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (refused.status, refused.json["status"], refused.json["instance"]) == (422, 422, "/api/v1/refresh")
        assert refused.json["detail"] == refused.json["error"] == sentence
        old = await ask("POST", "/api/refresh", {"feeds": ["unknown"]})
        assert (old.status, old.json["error"]) == (400, sentence)

    served(Daemon(), use)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "expected an object"),
        (b"\xff", "not valid JSON"),
        (b'{"feeds": ["a"], "feeds": ["b"]}', "a key twice"),
        (b'{"feeds": NaN}', "NaN"),
        (b'{"feed": "a"}', "'feed' is not a field of this request; expected feeds"),
        (b'{"' + b"f" * 5_000 + b'": 1}', "'" + "f" * 60 + "'… is not a field"),
        (b'{"feeds": ["a", 1]}', "feeds[1]: expected a text"),
        (b'{"feeds": [""]}', "feeds[0]: expected a text of 1 to 1024 characters"),
        (b'{"feeds": ["\\ud800"]}', "surrogate"),
        (b'{"feeds": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "not valid JSON"),
        (b'{"feeds": [' + b'"a",' * 1024 + b'"a"]}', "at most 1024 items"),
    ],
)
def test_a_body_that_is_not_what_the_path_takes_is_refused_with_what_is_wrong(body: bytes, what: str) -> None:
    daemon = Daemon()

    async def use(ask: Ask) -> None:
        refused = await ask("POST", "/api/v1/refresh", raw=body)
        assert refused.status == 400
        assert what in str(refused.json["detail"])
        assert "nothing was changed" in str(refused.json["detail"])

    served(daemon, use)
    assert daemon.refreshed == []


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/api/v1/status?x=1", "'x' is not a field of this request"),
        ("/api/v1/orders?limit=1&limit=2", "'limit' is given 2 times"),
        ("/api/v1/orders?limit=1e2", "limit: expected a whole number"),
        ("/api/v1/orders?limit=201", "limit: expected a whole number from 1 to 200"),
        ("/api/v1/orders?limit=" + "9" * 30, "limit: expected a whole number"),
        ("/api/v1/orders?state=odd", "state: expected 'pending' or"),
        ("/api/v1/diff?old=1", "new is missing"),
        ("/api/v1/series?names=queries,odd", "names[1]: expected 'queries' or"),
        ("/api/v1/lookup?name=a.example&resolve=maybe", "resolve: expected true or false"),
    ],
)
def test_a_query_that_is_not_what_the_path_takes_is_refused_with_what_is_wrong(path: str, what: str) -> None:
    async def use(ask: Ask) -> None:
        refused = await ask("GET", path)
        assert refused.status == 400
        assert what in str(refused.json["detail"])

    served(Daemon(), use)


def test_a_query_is_handed_on_as_values() -> None:
    daemon = Daemon()

    async def use(ask: Ask) -> None:
        asked = await ask("GET", "/api/v1/orders?start=3&limit=7&feed=f&authority=a%20b&state=in+force")
        assert asked.json == {"asked": [3, 7, "f", "a b", "in force"]}
        await ask(
            "GET", "/api/v1/series?names=blocked,queries,blocked&from=2026-01-02T00:00:00Z&to=2026-01-03&points=9"
        )
        await ask("GET", "/api/v1/hits?span=30d&by=authority")
        await ask("GET", "/api/v1/ending?within=60")
        assert (await ask("GET", "/api/v1/timeline?from=soon")).status == 422

    served(daemon, use)
    assert daemon.figures.asked == [
        (("blocked", "queries"), 1_767_312_000.0, 1_767_398_400.0, 9), ("30d", "authority"), (60,),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html,*/*;q=0.1", 200),
        ("application/*", 200),
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
        ("no-type", 406),
    ],
)
def test_who_does_not_accept_json_is_told_so(accept: str, status: int) -> None:
    async def use(ask: Ask) -> None:
        answer = await ask("GET", "/api/v1/whoami", Accept=accept)
        assert (answer.status, answer.headers["Content-Type"].startswith("application/")) == (status, True)

    served(Daemon(), use)


@pytest.mark.parametrize(("header", "value"), [("Content_Type", "text/plain"), ("Content_Encoding", "gzip")])
def test_a_body_that_is_not_plain_json_is_not_read(header: str, value: str) -> None:
    async def use(ask: Ask) -> None:
        assert (await ask("POST", "/api/v1/refresh", raw=b"{}", **{header: value})).status == 415

    served(Daemon(), use)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/status", "GET, HEAD, OPTIONS"),
        ("/api/v1/held", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/refresh", "OPTIONS, POST"),
    ],
)  # fmt: skip
def test_a_path_says_which_methods_it_has(path: str, allowed: str) -> None:
    async def use(ask: Ask) -> None:
        told = await ask("OPTIONS", path)
        assert (told.status, told.headers["Allow"], told.body) == (204, allowed, "")
        refused = await ask("DELETE", path)
        assert (refused.status, refused.json["status"]) == (405, 405)
        assert sorted(refused.headers["Allow"].split(",")) == allowed.split(", ")

    served(Daemon(), use)


def test_a_head_is_answered_as_its_get_without_the_body() -> None:
    async def use(ask: Ask) -> None:
        got, head = await ask("GET", "/api/v1/duty"), await ask("HEAD", "/api/v1/duty")
        assert (head.status, head.body, head.headers["ETag"]) == (200, "", got.headers["ETag"])
        assert head.headers["Content-Length"] == got.headers["Content-Length"]

    served(Daemon(), use)


def test_a_long_answer_is_packed_for_who_takes_that() -> None:
    async def use(ask: Ask) -> None:
        plain = await ask("GET", "/api/v1/openapi.json")
        packed = await ask("GET", "/api/v1/openapi.json", Accept_Encoding="br, gzip;q=0.5")
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.body == plain.body
        assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 4
        assert (packed.headers["Vary"], plain.headers["Vary"]) == ("Accept-Encoding",) * 2
        tag = packed.headers["ETag"]
        assert tag != plain.headers["ETag"], "a tag stands for one form"
        again = await ask("GET", "/api/v1/openapi.json", Accept_Encoding="gzip", If_None_Match=tag)
        assert (again.status, again.body, again.headers["ETag"]) == (304, "", tag)
        for refused in ("gzip;q=0", "gzip;q=0, *", "br", ""):
            other = await ask("GET", "/api/v1/openapi.json", Accept_Encoding=refused)
            assert "Content-Encoding" not in other.headers, refused
        small = await ask("GET", "/healthz", Accept_Encoding="gzip")
        assert "Content-Encoding" not in small.headers

    served(Daemon(), use)


def test_a_change_may_rest_on_an_answer_that_was_packed() -> None:
    daemon = Daemon()
    daemon.known_overrides = [{"id": f"L-{number}"} for number in range(1000)]
    body = {"end": {"name": "a.example", "reason": "why"}}

    async def use(ask: Ask) -> None:
        seen = await ask("GET", "/api/v1/overrides", Accept_Encoding="gzip")
        assert seen.headers["Content-Encoding"] == "gzip"
        assert (await ask("POST", "/api/v1/override", body, If_Match=seen.headers["ETag"])).status == 200

    served(daemon, use)


def test_a_change_may_rest_on_what_was_seen() -> None:
    daemon = Daemon()
    body = {"end": {"name": "a.example", "reason": "why"}}

    async def use(ask: Ask) -> None:
        seen = (await ask("GET", "/api/v1/overrides")).headers["ETag"]
        daemon.known_overrides = [{"id": "L-1"}]
        refused = await ask("POST", "/api/v1/override", body, If_Match=seen)
        assert (refused.status, daemon.overridden) == (412, [])
        assert "nothing was changed" in str(refused.json["detail"])
        now = (await ask("GET", "/api/v1/overrides")).headers["ETag"]
        assert (await ask("POST", "/api/v1/override", body, If_Match=f"W/{now}")).status == 412
        assert (await ask("POST", "/api/v1/override", body, If_Match=f'"other", {now}')).status == 200
        assert (await ask("POST", "/api/v1/override", body, If_Match="*")).status == 200
        assert (await ask("POST", "/api/v1/cache/flush", {"all": True}, If_Match=now)).status == 412

    served(daemon, use)
    assert len(daemon.overridden) == 2


def test_what_a_request_holds_is_repeated_even_if_it_is_no_text() -> None:
    async def use(ask: Ask) -> None:
        refused = await ask("GET", "/api/v1/status?%ED%A0%80=1")
        assert refused.status == 400
        assert str(refused.json["detail"]).endswith(".")

    served(Daemon(), use)


def test_every_question_is_answered() -> None:
    async def use(ask: Ask) -> None:
        for route in ROUTES:
            if route.method == "GET" and route.path != "/api/v1/events":
                query = {"version": "?version=1", "diff": "?old=1&new=2", "accept": "?feed=national"}
                query |= dict.fromkeys(("lookup", "cache"), "?name=a.example")
                path = route.path.replace("{order}", "court/2026-17")
                path = path.replace("{path}", f"{assets().digest}/icon-ok.svg")
                answer = await ask("GET", path + query.get(path.rpartition("/")[2], ""))
                assert answer.status == 200, path

    served(Daemon(), use)
