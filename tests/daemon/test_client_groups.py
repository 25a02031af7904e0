"""One daemon, and clients of several groups: each gets what applies to it, over UDP, TCP and from the block page."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator

import pytest

from blockd.times import time_text
from tests.daemon.harness import Daemon, until, write_list
from tests.upstream import UpstreamSimulator

SCHOOL, OFFICE, PROBE, NOBODYS = "127.0.10.1", "127.0.11.1", "127.0.12.7", "127.0.0.1"
SINKHOLE = ["127.0.0.1"]
GROUPS = [
    {"name": "schools", "networks": ["127.0.10.0/24"], "feeds": ["adult", "national"]},
    {"name": "offices", "networks": ["127.0.11.0/24", "127.0.12.0/24"], "feeds": ["national"]},
    {"name": "probe", "networks": [PROBE], "feeds": []},
]
RIGHT = {  # of every client, whether each of NAMES is blocked; the last one leads to the second
    SCHOOL: (True, True, True),
    OFFICE: (True, False, False),
    PROBE: (False, False, False),
    NOBODYS: (True, True, True),
}
NAMES = ("law.example", "adult.example", "leads.example")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("client-groups")
    write_list(folder / "national", ["law.example"])
    write_list(folder / "adult", ["adult.example"])
    for name in NAMES[:2]:
        resolver.plan(name, "A", f"{name}. 300 IN A 198.51.100.1")
    resolver.plan(
        "leads.example", "A", "leads.example. 300 IN CNAME adult.example.", "adult.example. 300 IN A 198.51.100.1"
    )
    feeds = [
        {"name": "national", "type": "domains", "path": "national", "priority": 10, "legal_basis": "Act 1"},
        {"name": "adult", "type": "domains", "path": "adult", "priority": 20},
    ]
    gate = {"max_shrink": "100%"}
    with Daemon(folder, *feeds, upstream=resolver.address, gate=gate, groups=GROUPS) as running:
        yield running


def blocked(daemon: Daemon, host: str, *, tcp: bool = False) -> tuple[bool, ...]:
    return tuple(daemon.ask(name, tcp=tcp, source=host).addresses == SINKHOLE for name in NAMES)


def page(daemon: Daemon, host: str, name: str, path: str = "/") -> tuple[int, str]:
    """Return status and body of the block page for a visitor."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=30, source_address=(host, 0))
    try:
        connection.request("GET", path, headers={"Host": name, "Accept": "text/html"})
        with connection.getresponse() as response:
            return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("tcp", [False, True])
def test_each_client_is_answered_by_the_feeds_of_its_group(daemon: Daemon, tcp: bool) -> None:
    for _ in range(3):  # from the cache as well, and from either worker
        assert {host: blocked(daemon, host, tcp=tcp) for host in RIGHT} == RIGHT


def test_nobody_is_answered_for_another_group_while_rulesets_are_swapped(daemon: Daemon) -> None:
    def swap() -> None:
        for number in range(6):
            write_list(daemon.folder / "national", ["law.example", f"more-{number}.example"])
            daemon.refresh()

    swapping = threading.Thread(target=swap)
    swapping.start()
    rounds = 0
    while swapping.is_alive() or rounds < 3:
        for host, right in RIGHT.items():
            assert blocked(daemon, host, tcp=bool(rounds % 2)) == right
        rounds += 1
    swapping.join()
    assert daemon.status()["self_test"]["failure"] is None


def test_the_block_page_tells_each_visitor_what_its_questions_get(daemon: Daemon) -> None:
    status = {host: [page(daemon, host, name)[0] for name in NAMES] for host in RIGHT}
    assert {host: tuple(one == 451 for one in found) for host, found in status.items()} == RIGHT
    assert {one for found in status.values() for one in found} == {404, 451}
    own = {host: page(daemon, host, "localhost", "/?name=law.example")[1] for host in (PROBE, OFFICE)}
    assert "Act 1" in own[OFFICE]
    assert "Act 1" not in own[PROBE]


def test_lookups_name_the_group_of_a_client_and_the_groups_that_differ(daemon: Daemon) -> None:
    told = json.loads(daemon.run_verb("lookup", "adult.example", "--client", OFFICE, "--json").stdout)
    assert (told["verdict"], told["blocked"], told["group"]["name"]) == ("resolved", False, "offices")
    for more in ((), ("--offline",)):
        done = daemon.run_verb("lookup", "law.example", *more)
        assert done.returncode == 0
        assert "group probe:  resolved (no feed applies to group probe)" in done.stdout
        assert "group offices" not in done.stdout
        done = daemon.run_verb("lookup", "law.example", "--client", PROBE, *more)
        assert done.returncode == 1
        assert f"law.example: resolved for the client {PROBE}" in done.stdout
        assert "group:        probe, which is exempt: no feed applies to it" in done.stdout
    led = daemon.run_verb("lookup", "leads.example").stdout
    assert "group offices: resolved (feed adult does not apply to it)" in led


def test_a_lookup_of_the_past_names_the_groups_of_then(daemon: Daemon) -> None:
    now = time_text(time.time() - 0.001)
    until(lambda: time_text(time.time()) > now, "the second is over")
    told = daemon.run_verb("lookup", "law.example", "--at", now).stdout
    assert "This is what clients in no group got: to the group probe feeds national, adult did not apply." in told
    assert "to the group schools" not in told


def test_status_check_statement_and_audit_log_name_the_groups(daemon: Daemon) -> None:
    lines = (
        "group schools: 1 network, subject to adult, national",
        "group offices: 2 networks, subject to national; not subject to adult",
        "group probe: 1 network, exempt: no feed applies to it",
    )
    for verb in ("status", "check"):
        said = daemon.run_verb(verb).stdout.splitlines()
        assert [line for line in said if line.startswith("group ")] == list(lines)
    warned = "a warning: group probe is not subject to feed national, whose orders are signed or by law"
    assert warned in daemon.run_verb("check").stdout
    statement = json.loads(daemon.post("/api/statement", {})[1]["statement"])["signed"]
    assert [(group["name"], group["networks"], group["lacks"]) for group in statement["groups"]] == [
        ("schools", 1, []),
        ("offices", 2, ["adult"]),
        ("probe", 1, ["national", "adult"]),
    ]
    assert "127.0.12" not in json.dumps(statement)
    start = daemon.recorded("start")[0]
    assert [group["name"] for group in start["groups"]] == ["schools", "offices", "probe"]


def test_no_series_names_a_group(daemon: Daemon) -> None:
    daemon.ask("law.example", source=SCHOOL)
    assert not {text for _, labels in daemon.metrics() for pair in labels for text in pair} & {"schools", "probe"}
