"""What workers have goes on in the next version: names that are cached, and connections."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import dns.message
import pytest

from tests.daemon.harness import EVERY_WORKER, PATIENCE, Daemon, until
from tests.daemon.upgrade.programs import other_version, upgraded
from tests.upstream import UpstreamSimulator

CONNECTIONS = 8
NAMES = [f"name{number}.example" for number in range(20)]


@pytest.fixture
def daemon(tmp_path: Path, upstream: UpstreamSimulator) -> Iterator[Daemon]:
    for name in NAMES:
        upstream.plan(name, "A", f"{name}. 3600 IN A 198.51.100.1")
    one = Daemon(tmp_path / "node", upstream=upstream.address, fresh=True)
    one.start()
    yield one
    one.destroy()


def ask_all(daemon: Daemon, address: str = "198.51.100.1") -> None:
    for name in NAMES:
        assert daemon.ask(name).addresses == [address]


def asked_for(upstream: UpstreamSimulator) -> int:
    """Return how many of the questions that came were for NAMES."""
    return sum(one.name in NAMES for one in list(upstream.seen))


def settled(daemon: Daemon, workers: int) -> None:
    """Wait until those of the version before have ended."""
    until(lambda: len(daemon.children()) == workers + 2, "those of the version before have ended")


def memory_files(pid: int, name: str) -> int:
    """Return how many descriptors of a process are of files in memory with such a name."""
    links = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()]
    return sum(link.startswith(f"/memfd:{name}") for link in links)


def test_no_upstream_is_asked_again_for_what_is_cached(
    daemon: Daemon, upstream: UpstreamSimulator, place: Path
) -> None:
    for _ in range(EVERY_WORKER):
        ask_all(daemon)
    asked, hits = asked_for(upstream), daemon.metric("blockd_cache_hits_total")
    for number, workers in enumerate((2, 1, 3)):
        daemon.settings["workers"] = workers
        daemon.write_config()
        assert upgraded(daemon, "--from", other_version(place / str(number)))["outcome"] == "taken"
        settled(daemon, workers)
        for _ in range(5):
            ask_all(daemon)
    assert asked_for(upstream) == asked
    assert daemon.metric("blockd_cache_hits_total") >= hits + 300
    for pid in (daemon.pid, *daemon.children()):
        assert memory_files(pid, "cache") == 0, "its memory would stay as long as this process runs"
    daemon.stop()


def test_other_upstreams_of_the_config_on_disk_are_asked_for_what_was_cached(daemon: Daemon, place: Path) -> None:
    ask_all(daemon)
    with UpstreamSimulator() as other:
        for name in NAMES:
            other.plan(name, "A", f"{name}. 3600 IN A 198.51.100.2")
        daemon.settings["upstreams"] = [other.address]
        daemon.write_config()
        assert upgraded(daemon, "--from", other_version(place))["outcome"] == "taken"
        settled(daemon, 2)
        ask_all(daemon, "198.51.100.2")
        daemon.stop()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "import blockd.resolver.caching.taking_over as t\nt.VERSION = 2",
            "What a worker has handed over of its cache is left: it is not of this version.",
        ),
        (
            "import blockd.daemon.worker.origins as o; o.Origins.from_json = lambda values: values['other']",
            "had cached is left: it tells in another form from whom it knew it.",
        ),
    ],
    ids=["the image", "the origins"],
)
def test_what_is_cached_in_a_form_that_the_next_version_does_not_know_is_left_and_told(
    daemon: Daemon, upstream: UpstreamSimulator, place: Path, more: str, told: str
) -> None:
    ask_all(daemon)
    asked = asked_for(upstream)
    assert upgraded(daemon, "--from", other_version(place, more=more))["outcome"] == "taken"
    settled(daemon, 2)
    ask_all(daemon)
    assert asked_for(upstream) > asked
    assert told in daemon.log
    for pid in (daemon.pid, *daemon.children()):
        assert memory_files(pid, "cache") == 0
    daemon.stop()


def test_a_version_before_that_hands_over_less_is_taken_over_from(
    daemon: Daemon, upstream: UpstreamSimulator, place: Path
) -> None:
    """Here the first upgrade is to one that leaves out what was added to the format later."""
    more = (
        "import blockd.daemon.interchange.sealed as s\nput = s.put\nadded = 'caches', 'origins', 'passed'\n"
        "def of_before(name, values):\n    if name == 'blockd-handover':\n"
        "        values = {key: value for key, value in values.items() if key not in added}\n"
        "    return put(name, values)\ns.put = of_before"
    )
    assert upgraded(daemon, "--from", other_version(place / "before", "9.9.1", more))["outcome"] == "taken"
    settled(daemon, 2)
    ask_all(daemon)
    asked = asked_for(upstream)
    told = upgraded(daemon, "--from", other_version(place / "after", "9.9.2"))
    assert (told["outcome"], told["before"], told["after"]) == ("taken", "9.9.1", "9.9.2")
    settled(daemon, 2)
    ask_all(daemon)
    assert asked_for(upstream) > asked
    assert "had cached is left" not in daemon.log
    daemon.stop()


def test_what_a_later_version_hands_over_beside_it_is_closed(daemon: Daemon, place: Path) -> None:
    """Here by going back: the other version has one descriptor more, which this one does not know."""
    more = (
        "import os\nif 'BLOCKD_HANDOVER' in os.environ:\n"
        "    import blockd.daemon.processes.family as f\n    f.Family.fork = None\n"
        "    import blockd.daemon.upgrade.handover as h\n    before = h.Handover.descriptors.fget\n"
        "    from blockd.daemon.interchange import sealed\n    one = sealed.put('later', {})\n"
        "    h.Handover.descriptors = property(lambda self: [*before(self), one])"
    )
    ask_all(daemon)
    assert upgraded(daemon, "--from", other_version(place, more=more))["outcome"] == "failed"
    settled(daemon, 2)
    assert memory_files(daemon.pid, "later") == 0
    daemon.destroy()


def test_one_that_fails_leaves_what_is_cached_to_the_version_before(
    daemon: Daemon, upstream: UpstreamSimulator, place: Path
) -> None:
    for _ in range(EVERY_WORKER):
        ask_all(daemon)
    asked = asked_for(upstream)
    more = (
        "import os\nif 'BLOCKD_HANDOVER' in os.environ:\n"
        "    import blockd.daemon.processes.family as f\n    f.Family.fork = None"
    )
    assert upgraded(daemon, "--from", other_version(place, more=more))["outcome"] == "failed"
    settled(daemon, 2)
    for _ in range(5):
        ask_all(daemon)
    assert asked_for(upstream) == asked
    daemon.destroy()


def exchange(sock: socket.socket, name: str) -> dns.message.Message:
    """Ask over a connection, in two parts."""
    query = dns.message.make_query(name, "A").to_wire()
    octets = struct.pack(">H", len(query)) + query
    sock.sendall(octets[:9])
    sock.sendall(octets[9:])
    with sock.makefile("rb") as file:
        return dns.message.from_wire(file.read(struct.unpack(">H", file.read(2))[0]))


def test_connections_over_tcp_go_on_in_the_next_version(daemon: Daemon, place: Path) -> None:
    """Clients ask over them again and again: idle connections end after some seconds (RFC 7766 section 6.2.3)."""
    over, answers = threading.Event(), [0] * CONNECTIONS

    def ask(index: int) -> None:
        with socket.create_connection(("127.0.0.1", daemon.dns_port), PATIENCE) as sock:
            while not over.wait(0.05):
                assert exchange(sock, NAMES[index]).answer
                answers[index] += 1

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        asking = [pool.submit(ask, index) for index in range(CONNECTIONS)]
        try:
            for number in range(2):
                assert upgraded(daemon, "--from", other_version(place / str(number)))["outcome"] == "taken"
                settled(daemon, 2)
            before = list(answers)
            until(
                lambda: all(now > then for now, then in zip(answers, before, strict=True)) or _any_over(asking), "asked"
            )
        finally:
            over.set()
        for one in asking:
            one.result()
    daemon.stop()


def _any_over(asking: list[Future[None]]) -> bool:
    return any(one.done() for one in asking)
