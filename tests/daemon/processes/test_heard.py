"""A worker that was broken into says in its channel what it likes: nothing of it ends the supervisor or control."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blockd.daemon.channel import MAX_AT_ONCE, Channel, Message, pair
from blockd.daemon.processes.children import Role, how_it_ended
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.heard import MAX_BURST, MAX_RATE, TalkPace, fault_in, from_child
from blockd.daemon.processes.held_files import HeldFiles
from blockd.daemon.processes.outbox import Outbox
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.processes.talk import Talk
from blockd.daemon.processes.waiting import readable
from blockd.settings import Settings


@pytest.mark.parametrize(
    "message",
    [
        {"enforcing": 7},
        {"reason": "because"},
        {"failed": 7, "why": "because"},
        {"notified": "zone"},
        {"refused_notify": {"feed": "zone"}},
        {"cache": {"id": 1}},
    ],
)
def test_what_a_worker_says_is_passed_on(message: dict[str, Any]) -> None:
    assert from_child(message) == message


WRONG: dict[str, list[Any]] = {
    "enforcing": ["7", True, None, -1, 1.5, [], 1 << 64],
    "failed": ["7", {}, -1],
    "why": [7, None, []],
    "notified": [7, {}, None],
    "cache": [7, [], "x"],
    "refused_notify": [7, [], "x"],
    "reason": [7, None, []],
    **{key: [1] for key in ("enforce", "resolution", "refresh", "died", "worker", "pid", "page")},
}


@pytest.mark.parametrize("message", [{key: value} for key, values in WRONG.items() for value in values])
def test_what_others_say_and_what_has_another_type_is_not(message: dict[str, Any]) -> None:
    assert from_child(message) == {}


def test_one_that_talks_without_end_leaves_time_for_the_others() -> None:
    ours, theirs = pair()
    for _ in range(MAX_AT_ONCE + 5):
        theirs.send({"enforcing": 1})
    assert [len(ours.receive() or ()) for _ in range(2)] == [MAX_AT_ONCE, 5]
    theirs.close()
    assert ours.receive() is None
    ours.close()


@pytest.mark.parametrize(
    "message",
    [
        {"enforcing": 0},
        {"enforcing": 7},
        {"failed": 8, "why": "because"},
        {"reason": "because"},
        {"notified": "zone"},
        {"refused_notify": {"feed": "zone", "cause": "address", "count": 1}},
        {"refused_notify": {"feed": "", "cause": "zone", "count": 1}},
        {"cache": {"id": 1}},
    ],
)
def test_what_a_worker_of_blockd_says_is_no_fault(message: Message) -> None:
    assert fault_in(message, [7, 8], ["zone"]) == ""


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"enforcing": 10**18},
        {"enforcing": 9},
        {"failed": 9, "why": "because"},
        {"failed": 7},
        {"why": "because"},
        {"enforcing": 7, "worker": 1},
        {"enforcing": 7, "cache": {}},
        {"notified": "other"},
        {"refused_notify": {"feed": "other", "cause": "zone"}},
        {"refused_notify": {"feed": ["zone"], "cause": "zone"}},
        {"refused_notify": {"feed": "zone", "cause": ["zone"]}},
        {"refused_notify": {"feed": "zone", "cause": "x"}},
        {"refused_notify": {}},
    ],
)
def test_what_no_worker_of_blockd_says_is_a_fault(message: Message) -> None:
    assert fault_in(message, [7, 8], ["zone"]) != ""


def test_a_child_may_say_so_much_in_a_second() -> None:
    now = [0.0]
    pace = TalkPace(lambda: now[0])
    assert sum(pace.take() for _ in range(5000)) == MAX_BURST
    patient = TalkPace(lambda: now[0])
    for _ in range(20 * int(MAX_RATE)):
        now[0] += 1 / MAX_RATE
        assert patient.take()


@pytest.mark.parametrize("packet", [b"", b"not JSON", b"[1]", b"[" * 1_200])
def test_what_is_no_message_is_bounded_and_comes_as_an_empty_one(packet: bytes) -> None:
    ours, theirs = pair()
    for _ in range(MAX_AT_ONCE + 5):
        theirs._socket.send(packet)
    assert ours.receive() == [{}] * MAX_AT_ONCE
    assert ours.receive() == [{}] * 5
    assert ours.receive() == [], "an empty packet is no end"
    theirs.close()
    assert ours.receive() is None
    ours.close()


def test_what_one_says_often_takes_nothing_from_what_another_says_once() -> None:
    ours, theirs = pair()
    outbox = Outbox()
    for number in range(50_000):
        outbox.put("worker 0", {"worker": 0, "enforcing": number})
        outbox.flush(ours)
    assert len(outbox) == 1, "the other side has no room"
    outbox.put("worker 1", {"worker": 1, "enforcing": 2})
    heard: list[Message] = []
    while len(outbox):
        assert readable([ours.fileno()], 0.0, [ours.fileno()]) == [], "it can only be written to, or not even that"
        outbox.flush(ours)
        heard += theirs.receive() or []
    while more := theirs.receive():
        heard += more
    assert len(heard) < 2_000
    assert [message for message in heard if message["worker"] == 1] == [{"worker": 1, "enforcing": 2}]
    assert [message for message in heard if message["worker"] == 0][-1] == {"worker": 0, "enforcing": 49_999}
    theirs.close()
    outbox.put("worker 1", {"worker": 1, "died": True})
    outbox.flush(ours)
    assert len(outbox) == 0, "nobody is there to hear it"
    ours.close()


def test_a_worker_that_talks_without_end_is_ended_by_name_and_no_other_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def flood(channel: Channel) -> None:
        while True:
            channel.send({"enforcing": 7})

    def behave(channel: Channel) -> None:
        channel.send({"enforcing": 8})
        signal.pause()

    family = Family(Reaper())
    generation = SimpleNamespace(settings=Settings())
    jobs: Any = SimpleNamespace(version=8, passed_on=[7, 8], generations=[generation])
    state, unused = SimpleNamespace(held=HeldFiles()), SimpleNamespace()
    nothing = cast(Any, unused)
    talk = Talk(jobs, family, cast(Any, state), *[nothing] * 5)
    guilty = family.fork(Role("worker", 0), flood, lambda: None)
    innocent = family.fork(Role("worker", 1), behave, lambda: None)
    while guilty.watch not in (ready := readable([guilty.watch, *family.channels], None)):
        for number in ready:
            talk.receive(family.channels[number])
    assert how_it_ended(family.bury(guilty)) == "killed by SIGKILL"
    assert (guilty.reason, innocent.enforcing, innocent.reason) == ("it has said too much", 8, "")
    assert f"The worker 0 process {guilty.pid} is ended: it has said too much." in caplog.text
    assert "worker 1" not in caplog.text
    innocent.send_signal(signal.SIGKILL)
    family.bury(innocent)


def test_a_worker_that_tells_of_a_version_that_there_is_not_is_ended_at_once() -> None:
    told: list[Message] = []
    killed: list[int] = []
    talk: Any = Talk.__new__(Talk)
    talk._jobs = SimpleNamespace(passed_on=[7], generations=[SimpleNamespace(settings=Settings())])
    talk.tell_of = lambda _, message: told.append(message)
    child: Any = SimpleNamespace(
        name="worker 0",
        standing="serving",
        pid=1,
        pace=TalkPace(),
        reason="",
        is_done=False,
        enforcing=7,
        send_signal=killed.append,
    )
    talk._hear(child, {"enforcing": 10**18})
    assert (told, killed, child.enforcing, child.is_done) == ([], [signal.SIGKILL], 7, True)
    assert child.reason == "it has told of version 1000000000000000000, which there is not"
