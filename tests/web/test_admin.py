from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import prometheus_client
import pytest
from multidict import CIMultiDict
from yarl import URL

from blockd.errors import CommandError
from blockd.formats.subject import subject_of
from blockd.ruleset.lookup_query import LookupQuery
from blockd.web.admin import MAX_BODY, Condition, admin_app
from blockd.web.admin_serving import serve_admin
from blockd.web.api.events import Events
from blockd.web.api.routes.signing_in import LOGIN, LOGOUT
from blockd.web.callers.caller import AccessRole
from blockd.web.callers.recognition import Callers
from tests.web.figures.examples import Figures
from tests.web.known import SECRET, TEXTS, known


@dataclass
class Told:
    """A result that is sent as it is."""

    values: dict[str, object]

    def to_json(self) -> dict[str, object]:
        return self.values


@dataclass
class Reloaded(Told):
    """How a reload stands."""

    has_ended: bool = False


@dataclass
class Fitting(Told):
    """Orders that fit; `status` says how many."""

    status: int


@dataclass
class Daemon:
    """A Control that remembers what it was asked to refresh."""

    condition: Condition = field(default_factory=lambda: Condition(True, "all feeds are fresh"))
    refreshed: list[list[str] | None] = field(default_factory=list)
    by: list[str] = field(default_factory=list)  # who had something done
    hinted: list[str | None] = field(default_factory=list)
    rolled_back: list[tuple[int, str]] = field(default_factory=list)
    looked_up: list[LookupQuery] = field(default_factory=list)
    accepted: list[dict[str, str]] = field(default_factory=list)
    overridden: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    flushed: list[tuple[str, str]] = field(default_factory=list)
    released: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    reloaded: list[tuple[str, str, bool]] = field(default_factory=list)
    known_overrides: list[dict[str, object]] = field(default_factory=list)
    events: Events = field(default_factory=Events, compare=False)
    figures: Figures = field(default_factory=Figures)

    def health(self) -> Condition:
        return self.condition

    def readiness(self) -> Condition:
        return self.condition

    async def metrics(self) -> bytes:
        return b"blockd_ruleset_names 7.0\n"

    def status(self) -> Told:
        return Told({"workers": 2})

    async def refresh(self, names: list[str] | None, by: str, /) -> Told:
        if names == ["unknown"]:
            raise CommandError("No feed is called unknown; nothing was fetched.")
        if names == ["broken"]:
            raise RuntimeError("of the daemon")
        self.refreshed.append(names)
        self.by.append(by)
        return Told({"refreshed": names})

    def hint(self, name: str | None, /) -> Told:
        if name == "unknown":
            raise CommandError("No feed is called unknown; nothing was woken.")
        self.hinted.append(name)
        return Told({"feeds": [name or "all"]})

    def traffic(self) -> Told:
        return Told({"key": "00"})

    async def rollback(self, version: int, reason: str, by: str, /) -> Told:
        if version == 7:
            raise CommandError("Version 7 is not kept; nothing was changed.")
        self.rolled_back.append((version, reason))
        self.by.append(by)
        return Told({"version": version})

    async def accept(self, asked: Mapping[str, str], by: str, /) -> Told:
        self.by.append(by)
        self.accepted.append(dict(asked))
        return Told({"outcome": "enforced"})

    async def override(self, kind: str, asked: Mapping[str, str], by: str, /) -> Told:
        self.by.append(by)
        self.overridden.append((kind, dict(asked)))
        return Told({"outcome": "enforced"})

    async def held(self, kind: str, asked: Mapping[str, str], by: str, /) -> Told:
        self.by.append(by)
        self.released.append((kind, dict(asked)))
        return Told({"outcome": "enforced"})

    async def cached(self, name: str, /) -> Told:
        self.shown.append(name)
        return Told({"name": name})

    async def flush(self, kind: str, name: str, by: str, /) -> Told:
        self.by.append(by)
        self.flushed.append((kind, name))
        return Told({"name": name or None})

    async def reload(self, by: str, reason: str, config: str, /, *, dry_run: bool) -> Reloaded:
        self.by.append(by)
        self.reloaded.append((by, reason, dry_run))
        return Reloaded({"outcome": "taking"})

    async def upgrade(self, by: str, reason: str, program: str, /, *, dry_run: bool) -> Reloaded:
        self.by.append(by)
        self.reloaded.append((by, f"{program} {reason}", dry_run))
        return Reloaded({"outcome": "taking"})

    def upgrades(self) -> Told:
        return Told({"current": None})

    def reloads(self) -> Told:
        return Told({"current": None, "last": None})

    async def statement(self, by: str, /) -> Told:
        self.by.append(by)
        return Told({"file": "20261124T120000Z.json", "statement": "{}"})

    async def release(self, reason: str, by: str, /) -> Told:
        self.by.append(by)
        return Told({"version": 9, "pinned": None, "reason": reason})

    def orders(self, asked: str, /) -> Fitting:
        return Fitting({"asked": asked}, {"2026-17": 300, "court/2026-17": 200}.get(asked, 404))

    async def lookup(self, query: LookupQuery, /) -> Told:
        self.looked_up.append(query)
        return Told({"name": subject_of(query.name).text})

    def feeds(self) -> Told:
        return Told({"feeds": []})

    async def versions(self) -> Told:
        return Told({"current": None, "pinned": None, "max_size": 0, "versions": []})

    async def diff(self, old: int, new: int, /) -> Told:
        return Told({"old": old, "new": new})

    def overrides(self) -> Told:
        return Told({"overrides": self.known_overrides})

    async def version(self, version: int, /) -> Told:
        return Told({"version": version})

    async def acceptable(self, feed: str, /) -> Told:
        return Told({"feed": feed})

    async def waiting(self, feed: str, /) -> Told:
        return Told({"version": None, "feeds": {}, "releases": [], "refused": {}})

    def order_page(self, start: int, limit: int, feed: str, authority: str, state: str, /) -> Told:
        return Told({"asked": [start, limit, feed, authority, state]})


@dataclass
class Answer:
    status: int
    headers: CIMultiDict[str]
    body: str

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


def ask(
    daemon: Daemon,
    bound: socket.socket,
    path: str,
    *,
    method: str = "GET",
    data: bytes | None = None,
    secret: str = SECRET,
    callers: Callers | None = None,
    **headers: str,
) -> Answer:
    async def asked() -> Answer:
        app = admin_app(daemon, callers or known(), ["admin.example"])
        serving = await serve_admin(app, [bound])
        try:
            sent = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
            if secret:
                sent.setdefault("Authorization", f"Bearer {secret}")
            url = URL(f"http://127.0.0.1:{bound.getsockname()[1]}{path}", encoded=True)
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, url, headers=sent, data=data) as response,
            ):
                return Answer(response.status, CIMultiDict(response.headers), await response.text())
        finally:
            await serving.close()

    return asyncio.run(asked())


def refresh(daemon: Daemon, bound: socket.socket, data: bytes = b"", kind: str = "application/json") -> Answer:
    return ask(daemon, bound, "/api/refresh", method="POST", data=data, Content_Type=kind)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize(("is_ok", "status"), [(True, 200), (False, 503)])
def test_a_condition_is_told_by_status_text_and_json(
    daemon: Daemon, bound: socket.socket, path: str, is_ok: bool, status: int
) -> None:
    daemon.condition = Condition(is_ok, "because of this")
    answer = ask(daemon, bound, path)
    assert answer.status == status
    assert "because of this" in answer.body


def test_a_condition_is_json_for_programs_that_ask_for_it(daemon: Daemon, bound: socket.socket) -> None:
    daemon.condition = Condition(False, "no list was enforced yet")
    answer = ask(daemon, bound, "/readyz", Accept="application/json")
    assert (answer.status, answer.json) == (503, {"ok": False, "reason": "no list was enforced yet"})


def test_metrics_come_in_prometheus_form(daemon: Daemon, bound: socket.socket) -> None:
    answer = ask(daemon, bound, "/metrics")
    assert answer.headers["Content-Type"] == prometheus_client.CONTENT_TYPE_LATEST
    assert answer.body == "blockd_ruleset_names 7.0\n"


def test_status_is_json(daemon: Daemon, bound: socket.socket) -> None:
    answer = ask(daemon, bound, "/api/status")
    assert answer.json == {"workers": 2}
    assert answer.headers["Server"] == "blockd"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_sketch_of_traffic_is_json(daemon: Daemon, bound: socket.socket) -> None:
    assert ask(daemon, bound, "/api/traffic").json == {"key": "00"}


def test_a_name_is_looked_up(daemon: Daemon, bound: socket.socket) -> None:
    assert ask(daemon, bound, "/api/lookup?name=WEB.telegram.org.").json == {"name": "web.telegram.org"}


def test_a_name_is_traced_where_that_is_asked_for(daemon: Daemon, bound: socket.socket) -> None:
    ask(daemon, bound, "/api/lookup?name=web.telegram.org&trace")
    assert daemon.looked_up == [LookupQuery("web.telegram.org", "lines")]


def test_a_query_is_understood_as_the_command_line_writes_it(daemon: Daemon, bound: socket.socket) -> None:
    query = LookupQuery("web.telegram.org", "quick", True, "2001:db8::1", 1_800_000_000.0, "/var/lib/blockd")
    ask(daemon, bound, query.to_path())
    assert daemon.looked_up == [query]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?name=",
        "?name=a..b",
        "?name=a&name=b",
        "?name=" + "a" * 2000,
        "?name=a.b&client=x",
        "?name=a.b&at=x",
        "?name=a.b&nonsense",
        "?name=a.b&state_dir=" + "a" * 5000,
    ],
)
def test_what_is_no_name_is_refused_with_a_sentence(daemon: Daemon, bound: socket.socket, query: str) -> None:
    answer = ask(daemon, bound, "/api/lookup" + query)
    assert answer.status == 400
    assert str(answer.json["error"]).endswith(".")


@pytest.mark.parametrize(
    ("body", "names"), [(b"", None), (b"{}", None), (b'{"feeds": null}', None), (b'{"feeds": ["a", "b"]}', ["a", "b"])]
)
def test_feeds_are_refreshed(daemon: Daemon, bound: socket.socket, body: bytes, names: list[str] | None) -> None:
    assert refresh(daemon, bound, body).json == {"refreshed": names}
    assert daemon.refreshed == [names]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"feeds": "a"}', b'{"feeds": [1]}', b'{"feed": []}', b"\xff", b"[" * 60_000]
)
def test_a_body_of_another_shape_is_refused(daemon: Daemon, bound: socket.socket, body: bytes) -> None:
    answer = refresh(daemon, bound, body)
    assert answer.status == 400
    assert "error" in answer.json
    assert not daemon.refreshed


@pytest.mark.parametrize(
    ("body", "name"), [(b"", None), (b"{}", None), (b'{"feed": null}', None), (b'{"feed": "a"}', "a")]
)
def test_a_hint_is_taken_at_once(daemon: Daemon, bound: socket.socket, body: bytes, name: str | None) -> None:
    answer = ask(daemon, bound, "/api/hint", method="POST", data=body, Content_Type="application/json")
    assert (answer.status, answer.json) == (202, {"feeds": [name or "all"]})
    assert daemon.hinted == [name]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"feed": 1}', "application/json", 400),
        (b'{"feeds": ["a"]}', "application/json", 400),
        (b'{"feed": "unknown"}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (MAX_BODY + 1), "application/json", 413),
    ],
)
def test_a_hint_of_another_shape_wakes_nothing(
    daemon: Daemon, bound: socket.socket, body: bytes, kind: str, status: int
) -> None:
    answer = ask(daemon, bound, "/api/hint", method="POST", data=body, Content_Type=kind)
    assert answer.status == status
    assert "error" in answer.json
    assert not daemon.hinted


def test_a_hint_from_another_sites_page_wakes_nothing(daemon: Daemon, bound: socket.socket) -> None:
    told = ask(
        daemon, bound, "/api/hint", method="POST", data=b"{}", Content_Type="application/json",
        Origin="https://evil.example",
    )  # fmt: skip
    assert told.status == 403
    assert not daemon.hinted


def test_a_body_that_is_too_large_is_refused(daemon: Daemon, bound: socket.socket) -> None:
    assert refresh(daemon, bound, b" " * (MAX_BODY + 1)).status == 413


def test_a_feed_that_is_not_there_is_told_in_a_sentence(daemon: Daemon, bound: socket.socket) -> None:
    answer = refresh(daemon, bound, b'{"feeds": ["unknown"]}')
    assert answer.status == 400
    assert answer.json["error"] == "No feed is called unknown; nothing was fetched."


def test_a_fault_is_told_without_its_traceback(daemon: Daemon, bound: socket.socket) -> None:
    answer = refresh(daemon, bound, b'{"feeds": ["broken"]}')
    assert answer.status == 500
    assert "of the daemon" not in answer.body


def roll_back(daemon: Daemon, bound: socket.socket, data: bytes, kind: str = "application/json") -> Answer:
    return ask(daemon, bound, "/api/rollback", method="POST", data=data, Content_Type=kind)


@pytest.mark.parametrize(
    ("body", "asked"),
    [(b'{"version": 3, "reason": "w"}', (3, "w")), (b'{"version": 4, "reason": " bad "}', (4, "bad"))],
)
def test_a_version_is_gone_back_to(daemon: Daemon, bound: socket.socket, body: bytes, asked: tuple[int, str]) -> None:
    assert roll_back(daemon, bound, body).json == {"version": asked[0]}
    assert daemon.rolled_back == [asked]


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"release": true, "reason": "w"}', "w"), (b'{"release": true, "reason": " all "}', "all")],
)
def test_a_version_is_released(daemon: Daemon, bound: socket.socket, body: bytes, reason: str) -> None:
    assert roll_back(daemon, bound, body).json == {"version": 9, "pinned": None, "reason": reason}


def test_an_override_is_handed_on(daemon: Daemon, bound: socket.socket) -> None:
    body = b'{"end": {"name": "a.example", "reason": "why"}}'
    told = ask(daemon, bound, "/api/override", method="POST", data=body, Content_Type="application/json")
    assert told.json == {"outcome": "enforced"}
    assert daemon.overridden == [("end", {"name": "a.example", "reason": "why"})]


ACCEPTED = {"feed": "national", "digest": "ab" * 32, "reason": "why"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ACCEPTED, 200),
        ({**ACCEPTED, "as": "Budi"}, 200),
        ({"feed": "national", "reason": "why"}, 400),
        ({**ACCEPTED, "more": ""}, 400),
        ({**ACCEPTED, "reason": 1}, 400),
        ({**ACCEPTED, "reason": "w" * 2000}, 400),
        ([], 400),
    ],
)
def test_an_acceptance_is_handed_on_whole_or_not_at_all(
    daemon: Daemon, bound: socket.socket, body: object, status: int
) -> None:
    sent = json.dumps(body).encode()
    told = ask(daemon, bound, "/api/accept", method="POST", data=sent, Content_Type="application/json")
    assert told.status == status
    assert daemon.accepted == ([body] if status == 200 else [])


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("release", {"name": "co.id", "reason": "why", "as": "Officer"}),
        ("hold", {"name": "co.id", "reason": "why"}),
    ],
)
def test_a_release_is_handed_on(daemon: Daemon, bound: socket.socket, kind: str, texts: dict[str, str]) -> None:
    body = json.dumps({kind: texts}).encode()
    told = ask(daemon, bound, "/api/held", method="POST", data=body, Content_Type="application/json")
    assert told.json == {"outcome": "enforced"}
    assert daemon.released == [(kind, texts)]


@pytest.mark.parametrize(
    "body", ['{"release": {"name": "co.id"}}', '{"hold": {"name": "co.id", "reason": 7}}', '{"keep": {}}', "[]"]
)
def test_a_release_of_another_shape_is_refused(daemon: Daemon, bound: socket.socket, body: str) -> None:
    refused = ask(daemon, bound, "/api/held", method="POST", data=body.encode(), Content_Type="application/json")
    assert (refused.status, "nothing was changed" in str(refused.json["error"])) == (400, True)
    assert daemon.released == []


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('{"name": "a.example"}', ("name", "a.example")),
        ('{"below": "example"}', ("below", "example")),
        ('{"all": true}', ("all", "")),
    ],
)
def test_a_flush_is_handed_on(daemon: Daemon, bound: socket.socket, body: str, asked: tuple[str, str]) -> None:
    told = ask(daemon, bound, "/api/cache/flush", method="POST", data=body.encode(), Content_Type="application/json")
    assert (told.status, daemon.flushed) == (200, [asked])


@pytest.mark.parametrize(
    "body",
    ["3", "[]", "{}", '{"all": false}', '{"all": 1}', '{"name": 1}', '{"name": "a", "below": "a"}', '{"type": "A"}',
     '{"name": "' + "a" * 2000 + '"}'],
)  # fmt: skip
def test_a_flush_of_another_shape_is_refused(daemon: Daemon, bound: socket.socket, body: str) -> None:
    refused = ask(daemon, bound, "/api/cache/flush", method="POST", data=body.encode(), Content_Type="application/json")
    assert (refused.status, "nothing was changed" in str(refused.json["error"])) == (400, True)
    assert daemon.flushed == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?name=a.example", 200),
        ("", 400),
        ("?name=a&name=b", 400),
        ("?name=a&type=A", 400),
        ("?name=" + "a" * 2000, 400),
    ],
)
def test_what_is_cached_is_asked_for_by_one_name(daemon: Daemon, bound: socket.socket, query: str, status: int) -> None:
    assert ask(daemon, bound, f"/api/cache{query}").status == status
    assert daemon.shown == (["a.example"] if status == 200 else [])


@pytest.mark.parametrize("path", ["/api/override", "/api/accept", "/api/statement", "/api/held", "/api/cache/flush"])
def test_what_another_site_may_send_changes_nothing(daemon: Daemon, bound: socket.socket, path: str) -> None:
    body = b'{"end": {"name": "a.example", "reason": "why"}}'
    assert ask(daemon, bound, path, method="POST", data=body, Content_Type="text/plain").status == 415
    assert daemon.overridden == []


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"3",
            b"[]",
            b"{}",
            b'{"release": false}',
            b'{"release": true, "version": 3}',
            b'{"version": "3"}',
            b'{"version": 3}',
            b'{"release": true}',
            b'{"release": true, "reason": ""}',
            b'{"version": 3, "reason": " "}',
        ),
        *(b'{"version": true}', b'{"version": 3.5}', b'{"version": 3, "reason": 1}', b'{"version": 3, "more": 1}'),
        *(
            b'{"version": 3, "reason": "two\\nlines"}',
            b'{"version": 3, "reason": "' + b"x" * 501 + b'"}',
            b"[" * 60_000,
        ),
    ],
)
def test_a_rollback_of_another_shape_is_refused(daemon: Daemon, bound: socket.socket, body: bytes) -> None:
    answer = roll_back(daemon, bound, body)
    assert answer.status == 400
    assert str(answer.json["error"]).endswith(".")
    assert not daemon.rolled_back


def test_a_rollback_that_cannot_be_is_told_in_a_sentence(daemon: Daemon, bound: socket.socket) -> None:
    answer = roll_back(daemon, bound, b'{"version": 7, "reason": "why"}')
    assert (answer.status, answer.json["error"]) == (400, "Version 7 is not kept; nothing was changed.")


def test_a_form_of_another_site_cannot_roll_back(daemon: Daemon, bound: socket.socket) -> None:
    assert roll_back(daemon, bound, b'{"version": 3}', "text/plain").status == 415
    assert not daemon.rolled_back


CHANGES = {
    "/api/refresh": b"{}",
    "/api/hint": b"{}",
    "/api/rollback": b'{"version": 3, "reason": "why"}',
    "/api/override": b'{"end": {"name": "a.example", "reason": "why"}}',
    "/api/accept": b'{"feed": "national", "digest": "ab", "reason": "why"}',
    "/api/held": b'{"hold": {"name": "co.id", "reason": "why"}}',
    "/api/cache/flush": b'{"all": true}',
    "/api/statement": b"{}",
}
CHANGES |= {path.replace("/api/", "/api/v1/"): body for path, body in CHANGES.items()}
CHANGES["/api/v1/reload"] = b'{"dry_run": true}'
CHANGES["/api/v1/upgrade"] = b'{"dry_run": true}'
WRONG = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Bearer {SECRET[:-1]}"},
    {"Authorization": f"Bearer {SECRET}0"},
    {"Authorization": f"Basic {SECRET}"},
    {"Authorization": SECRET},
    {"Authorization": "Bearer \u00e9"},
]


# What reads, and what changes nothing, needs less than an operator.
LEAST = {"/api/hint": AccessRole.METRICS, "/api/v1/hint": AccessRole.METRICS}


def test_every_change_is_among_those_that_are_tested_without_a_token(daemon: Daemon) -> None:
    routes = admin_app(daemon, known()).router.routes()
    reading = ("GET", "HEAD", "OPTIONS")
    paths = {route.resource.canonical for route in routes if route.method not in reading and route.resource}
    assert paths == {*CHANGES, LOGIN, LOGOUT}  # of which the tests of callers tell


@pytest.mark.parametrize("path", CHANGES)
def test_what_changes_something_asks_for_a_token(daemon: Daemon, bound: socket.socket, path: str) -> None:
    untouched = Daemon()
    refused = ask(daemon, bound, path, method="POST", data=CHANGES[path], secret="", Content_Type="application/json")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="blockd"')
    assert "blockd token add" in str(refused.json["error"])
    assert refused.headers["Connection"] == "close"
    assert daemon == untouched


@pytest.mark.parametrize("role", TEXTS)
@pytest.mark.parametrize("path", CHANGES)
def test_what_changes_something_is_done_for_an_operator_alone(
    daemon: Daemon, bound: socket.socket, path: str, role: AccessRole
) -> None:
    told = ask(
        daemon, bound, path, method="POST", data=CHANGES[path], secret=TEXTS[role], Content_Type="application/json"
    )
    assert told.status in ((200, 202) if role >= LEAST.get(path, AccessRole.OPERATOR) else (403,))
    assert daemon.by == (["token operator"] if role is AccessRole.OPERATOR and path not in LEAST else [])
    if told.status == 403:
        assert (daemon, "needs the role operator" in str(told.json["error"])) == (Daemon(), True)


@pytest.mark.parametrize("headers", WRONG)
def test_a_wrong_token_changes_nothing_and_is_counted(
    daemon: Daemon, bound: socket.socket, headers: dict[str, str]
) -> None:
    callers = known()
    refused = ask(
        daemon, bound, "/api/refresh", method="POST", data=b"{}", secret="", callers=callers,
        Content_Type="application/json", **headers,
    )  # fmt: skip
    assert (refused.status, callers.attempts.count, daemon.refreshed) == (401, 1, [])


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_form_of_another_site_cannot_refresh(daemon: Daemon, bound: socket.socket, kind: str) -> None:
    assert refresh(daemon, bound, b"{}", kind).status == 415
    assert not daemon.refreshed


@pytest.mark.parametrize("host", ["rebound.example:9053", "localhost.rebound.example", "127.0.0.1.rebound.example", ""])
def test_a_foreign_host_is_refused(daemon: Daemon, bound: socket.socket, host: str) -> None:
    answer = ask(daemon, bound, "/api/status", Host=host)
    assert answer.status == 403
    assert "workers" not in answer.body


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "192.0.2.1", "[::1]:9053", "Admin.Example:80"])
def test_addresses_localhost_and_the_configured_name_are_served(
    daemon: Daemon, bound: socket.socket, host: str
) -> None:
    assert ask(daemon, bound, "/api/status", Host=host).status == 200


@pytest.mark.parametrize("origin", ["https://other.example", "null"])
def test_a_foreign_origin_is_refused(daemon: Daemon, bound: socket.socket, origin: str) -> None:
    assert ask(daemon, bound, "/api/status", Origin=origin).status == 403


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/none", 404), ("GET", "/api/refresh", 405)])
def test_a_wrong_path_or_method_is_told_as_json(
    daemon: Daemon, bound: socket.socket, method: str, path: str, status: int
) -> None:
    answer = ask(daemon, bound, path, method=method)
    assert answer.status == status
    assert "error" in answer.json


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 129 + b"\r\n", 431),
        (b"FOO! / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\0\0\r\n\r\n", 400),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_sentence(
    daemon: Daemon, bound: socket.socket, request_bytes: bytes, status: int
) -> None:
    head, _, body = answer_to(daemon, bound, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 %d " % status, b"HTTP/1.1 %d " % status))
    assert b"application/problem+json" in head
    assert json.loads(body)["error"].endswith(".")


def test_a_request_in_a_later_version_is_answered_in_http_1(daemon: Daemon, bound: socket.socket) -> None:
    assert answer_to(daemon, bound, b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def answer_to(daemon: Daemon, bound: socket.socket, request_bytes: bytes) -> bytes:
    async def asked() -> bytes:
        serving = await serve_admin(admin_app(daemon, known()), [bound])
        try:
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            writer.write(request_bytes)
            found = await reader.read(65536)
            writer.close()
            return found
        finally:
            await serving.close()

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("place", "asked", "status"),
    [
        ("2026-17", "2026-17", 300),
        ("court/2026-17", "court/2026-17", 200),
        ("court%2F2026-17", "court/2026-17", 200),
        ("court%2f18", "court/18", 404),
        ("national/court%2F2026-17", "national/court/2026-17", 404),
    ],
)
def test_orders_are_found_by_any_of_their_names(
    daemon: Daemon, bound: socket.socket, place: str, asked: str, status: int
) -> None:
    answer = ask(daemon, bound, f"/api/orders/{place}")
    assert (answer.status, answer.json) == (status, {"asked": asked})
