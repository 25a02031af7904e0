from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from blockd.daemon.update.feed_state import FeedState
from blockd.feeds.fetched import INCOMING, Fetched
from blockd.feeds.kinds import open_source
from blockd.feeds.signed.bundle import AuthorityVersion, SignedVersion, write_bundle
from blockd.formats.rejects import RejectedLine, RejectReport
from blockd.orders.repository import MAX_AUTHORITIES
from blockd.printable import MAX_SENTENCE
from blockd.ruleset.gate.guard_report import GuardReport, HeldEntry
from blockd.settings import FEED_TYPES, Feed
from tests.feeds.http.server import Visitor, saying, server

NOW = 1_800_000_000.0


def offered(folder: Path, content: bytes) -> FeedState:
    """Return a state to which new content was offered."""
    state = FeedState.load(folder)
    (folder / INCOMING).write_bytes(content)
    state.offer(Fetched(folder / INCOMING, content.hex(), None))
    return state


def accepted(folder: Path, content: bytes) -> None:
    """Have content accepted."""
    state = offered(folder, content)
    candidate = state.take_candidate()
    assert candidate is not None
    state.accept(candidate, None, NOW, names=3)


def test_accepted_content_is_remembered_over_a_restart(tmp_path: Path) -> None:
    state = offered(tmp_path, b"new")
    candidate = state.take_candidate()
    assert candidate is not None
    rejects = RejectReport(3, 2, {"address": 1}, {"address": [RejectedLine(3, "192.0.2.1")]})
    held = GuardReport({"protected": 7}, {"protected": [HeldEntry(f"{n}.go.id", 1) for n in range(7)]})
    state.accept(candidate, rejects, NOW + 5, held=held, names=2)
    again = FeedState.load(tmp_path)
    assert again.accepted is not None
    assert again.accepted.path.read_bytes() == b"new"
    assert (again.accepted_digest, again.checked) == (b"new".hex(), NOW + 5)
    assert (again.rejects, again.held) == (rejects, held)
    assert again.sizes.lasting(NOW + 100) == 2


def test_state_of_an_older_blockd_is_read(tmp_path: Path) -> None:
    (tmp_path / "accepted").write_bytes(b"a.example\n")
    told = {"first_seen": 7, "checked": 8, "validators": {}, "accepted_digest": "ab", "expires": None}
    (tmp_path / "feed.json").write_text(json.dumps(told), encoding="ascii")
    state = FeedState.load(tmp_path)
    assert (state.accepted_digest, state.checked) == ("ab", 8)


def test_candidate_that_is_put_back_is_offered_again(tmp_path: Path) -> None:
    state = offered(tmp_path, b"new")
    candidate = state.take_candidate()
    assert candidate is not None
    assert state.take_candidate() is None
    state.put_back(candidate)
    again = state.take_candidate()
    assert again is not None
    assert again.path.read_bytes() == b"new"


def test_candidate_that_was_refused_and_removed_is_not_put_back(tmp_path: Path) -> None:
    state = offered(tmp_path, b"refused")
    candidate = state.take_candidate()
    assert candidate is not None
    state.drop(candidate)
    state.put_back(candidate)
    assert state.incoming is None
    assert not candidate.path.exists()


def test_candidate_whose_file_is_gone_is_told_when_it_is_put_back(tmp_path: Path) -> None:
    state = offered(tmp_path, b"lost")
    candidate = state.take_candidate()
    assert candidate is not None
    candidate.path.unlink()
    with pytest.raises(FileNotFoundError):
        state.put_back(candidate)
    assert (state.incoming, state.take_candidate()) == (None, None)


def test_candidate_never_replaces_newer_content(tmp_path: Path) -> None:
    state = offered(tmp_path, b"old")
    candidate = state.take_candidate()
    assert candidate is not None
    (tmp_path / INCOMING).write_bytes(b"newer")
    state.offer(Fetched(tmp_path / INCOMING, b"newer".hex(), None))
    state.put_back(candidate)
    again = state.take_candidate()
    assert again is not None
    assert again.path.read_bytes() == b"newer"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"checked": "x"}', b'{"checked": 1, "validators": 7}'])
def test_damaged_state_is_a_feed_never_seen(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "feed.json").write_bytes(content)
    (tmp_path / "accepted").write_bytes(b"of unknown digest")
    assert FeedState.load(tmp_path).accepted is None


@pytest.mark.parametrize("damage", [{"held": 7}, {"held": {"reasons": 7}}, {"sizes": 7}, {"sizes": {"known": [7]}}])
def test_a_damaged_report_does_not_stop_a_start(tmp_path: Path, damage: dict[str, object]) -> None:
    state = offered(tmp_path, b"new")
    candidate = state.take_candidate()
    assert candidate is not None
    state.accept(candidate, None, NOW)
    told = json.loads((tmp_path / "feed.json").read_bytes())
    (tmp_path / "feed.json").write_text(json.dumps({**told, **damage}), encoding="utf-8")
    again = FeedState.load(tmp_path)
    assert again.held is None
    assert again.accepted == state.accepted


def test_what_waits_is_safe_from_the_next_fetch_and_taken_when_nothing_newer_is_there(tmp_path: Path) -> None:
    state = offered(tmp_path, b"good")
    candidate = state.take_candidate()
    assert candidate is not None
    state.hold(candidate)
    (tmp_path / INCOMING).write_bytes(b"cut")
    (tmp_path / INCOMING).unlink()  # as a source does that refuses what it fetched
    again = state.take_candidate()
    assert again is not None
    assert (again.path.read_bytes(), again.digest) == (b"good", b"good".hex())
    assert state.take_candidate() is None


def test_what_is_newer_goes_before_what_waits(tmp_path: Path) -> None:
    state = offered(tmp_path, b"older")
    older = state.take_candidate()
    assert older is not None
    state.hold(older)
    (tmp_path / INCOMING).write_bytes(b"newer")
    state.offer(Fetched(tmp_path / INCOMING, b"newer".hex(), None))
    newer = state.take_candidate()
    assert newer is not None
    assert newer.path.read_bytes() == b"newer"
    newer.path.unlink()  # it was refused
    older = state.take_candidate()
    assert older is not None
    assert older.path.read_text() == "older"
    state.accept(older, None, 1)
    assert state.waiting is None
    assert (tmp_path / "accepted").read_text() == "older"


def signed_state(folder: Path) -> FeedState:
    """Return a state whose accepted content is a bundle that ends, with two authorities of ends of their own."""
    parts = (AuthorityVersion("telecom", 3, int(NOW) + 5), AuthorityVersion("courts", 0, 0, "format", "It is cut."))
    write_bundle(SignedVersion(5, 6, int(NOW) + 60, (), "cd" * 32, parts), folder / INCOMING)
    state = FeedState.load(folder)
    state.offer(Fetched(folder / INCOMING, "cd" * 32, None))
    candidate = state.take_candidate()
    assert candidate is not None
    state.expires, state.authorities = NOW + 90, parts
    state.accept(candidate, None, NOW)
    return state


def test_ends_of_authorities_are_remembered_over_a_restart(tmp_path: Path) -> None:
    state = signed_state(tmp_path)
    again = FeedState.load(tmp_path)
    assert (again.expires, again.authorities) == (NOW + 90, state.authorities)


def test_a_refusal_is_kept_up_to_a_length(tmp_path: Path) -> None:
    state = signed_state(tmp_path)
    state.authorities = tuple(AuthorityVersion(f"role-{n}", 1, 1, "format", "x" * 10_000) for n in range(64))
    state.save()
    assert len(FeedState.load(tmp_path).authorities) == 64


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"checked": Infinity}',
        b'{"checked": NaN}',
        b'{"checked": 1, "validators": {}, "accepted_digest": "ab", "authorities": [["a"]]}',
        b'{"checked": 1, "validators": {}, "accepted_digest": "ab", "expires": 1e300}',
    ],
)
def test_the_end_of_a_signed_list_is_known_where_its_state_is_damaged(tmp_path: Path, damage: bytes) -> None:
    state = signed_state(tmp_path)
    (tmp_path / "feed.json").write_bytes(damage)
    again = FeedState.load(tmp_path)
    assert (again.expires, again.authorities) == (int(NOW) + 60, state.authorities)
    (tmp_path / "feed.json").unlink()
    assert FeedState.load(tmp_path).expires == int(NOW) + 60


def test_the_age_of_a_list_is_known_where_its_state_is_damaged(tmp_path: Path) -> None:
    state = offered(tmp_path, b"listed.example\n")
    candidate = state.take_candidate()
    assert candidate is not None
    state.accept(candidate, None, NOW)
    os.utime(tmp_path / "accepted", (NOW - 7, NOW - 7))
    (tmp_path / "feed.json").write_bytes(b"{")
    again = FeedState.load(tmp_path)
    assert (again.checked, again.expires, again.accepted) == (NOW - 7, None, None)


def test_state_with_the_longest_refusals_of_all_authorities_is_remembered(tmp_path: Path) -> None:
    state = offered(tmp_path, b"new")
    candidate = state.take_candidate()
    assert candidate is not None
    sentence = "\U0001f512" * MAX_SENTENCE
    state.authorities = tuple(AuthorityVersion(f"role-{n}", 1, 9, "outside", sentence) for n in range(MAX_AUTHORITIES))
    state.accept(candidate, None, NOW)
    assert FeedState.load(tmp_path).authorities == state.authorities


def test_a_url_that_was_changed_is_fetched_whole_though_its_file_is_older(tmp_path: Path) -> None:
    def feed(url: str) -> Feed:
        return FEED_TYPES["domains"].model_validate({"name": "national", "type": "domains", "url": url})

    async def new(visitor: Visitor) -> None:
        await saying("200 OK", "Last-Modified: Sat, 15 Jul 2017 04:30:00 GMT", body=b"old.example\n")(visitor)

    async def older(visitor: Visitor) -> None:  # as servers do that compare the date
        if "If-Modified-Since" in visitor.head:
            await saying("304 Not Modified")(visitor)
        else:
            await saying("200 OK", "Last-Modified: Fri, 14 Jul 2017 04:30:00 GMT", body=b"new.example\n")(visitor)

    async def run() -> None:
        async with server(new) as one, server(older) as two:
            state = FeedState.load(tmp_path)
            fetched = await open_source(feed(f"{one}/list"), tmp_path, state.validators).poll()
            assert fetched is not None
            state.accept(fetched, None, 1.0)
            state = FeedState.load(tmp_path)
            assert state.validators.last_modified
            fetched = await open_source(feed(f"{two}/list"), tmp_path, state.validators).poll()
            assert fetched is not None
            assert fetched.path.read_bytes() == b"new.example\n"

    asyncio.run(run())


@pytest.mark.parametrize("is_renamed", [False, True], ids=["before", "after its file was renamed"])
def test_content_that_came_into_force_before_a_kill_is_accepted_by_the_next_process(
    tmp_path: Path, is_renamed: bool
) -> None:
    accepted(tmp_path, b"old")
    killed = offered(tmp_path, b"new").take_candidate()
    assert killed is not None
    if is_renamed:
        killed.path.replace(tmp_path / "accepted")
    state = FeedState.load(tmp_path)
    assert state.accepted_digest == b"old".hex()
    assert state.complete(b"new".hex(), 5, NOW + 7)
    assert not state.complete(b"new".hex(), 5, NOW + 7)
    again = FeedState.load(tmp_path)
    assert again.accepted is not None
    assert (again.accepted.digest, again.accepted.path.read_bytes()) == (b"new".hex(), b"new")
    assert again.sizes.lasting(NOW + 100) == 5
    assert not (tmp_path / "candidate").exists()


@pytest.mark.parametrize("in_force", [b"old".hex(), b"older".hex(), ""])
def test_content_that_never_came_into_force_is_not_accepted_by_the_next_process(tmp_path: Path, in_force: str) -> None:
    accepted(tmp_path, b"old")
    offered(tmp_path, b"new").take_candidate()
    state = FeedState.load(tmp_path)
    assert not state.complete(in_force, 5, NOW + 7)
    assert state.accepted_digest == b"old".hex()
    assert not (tmp_path / "candidate").exists()


@pytest.mark.parametrize("note", [b"", b"[" * 2000, b"{}", b"7", b"\xff", None])
def test_a_candidate_without_a_note_that_can_be_read_is_not_accepted(tmp_path: Path, note: bytes | None) -> None:
    offered(tmp_path, b"new").take_candidate()
    (tmp_path / "candidate.json").unlink()
    if note is not None:
        (tmp_path / "candidate.json").write_bytes(note)
    state = FeedState.load(tmp_path)
    assert not state.complete(b"new".hex(), 5, NOW)
    assert state.accepted is None


def test_another_file_in_place_of_the_candidate_is_not_accepted(tmp_path: Path) -> None:
    candidate = offered(tmp_path, b"new").take_candidate()
    assert candidate is not None
    (tmp_path / "other").write_bytes(b"oth")
    (tmp_path / "other").replace(candidate.path)
    state = FeedState.load(tmp_path)
    assert not state.complete(b"new".hex(), 5, NOW)
    assert state.accepted is None


def test_a_start_writes_only_states_that_have_changed(tmp_path: Path) -> None:
    accepted(tmp_path, b"new")
    path = tmp_path / "feed.json"
    before = path.stat().st_ino, path.read_bytes()
    FeedState.load(tmp_path).save()
    assert (path.stat().st_ino, path.read_bytes()) == before
    state = FeedState.load(tmp_path)
    state.checked += 1
    state.save()
    assert path.read_bytes() != before[1]
    assert FeedState.load(tmp_path).checked == NOW + 1
    path.write_bytes(b"damaged")
    FeedState.load(tmp_path).save()
    assert json.loads(path.read_bytes())["accepted_digest"] == ""
