"""A process that ends between a swap and the note about it takes nothing back: not a list, and not an override."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.daemon.update.feed_state import FeedState
from tests.daemon.pinned_rig import Node, run

A, B, C = "a.example", "b.example", "c.example"
MOMENTS = ("accept", "drop_waiting")  # before the content is renamed, and before the state is written


class Killed(BaseException):
    """Ends what runs at once, as SIGKILL does."""


def _kill(*_: object, **__: object) -> None:
    raise Killed


async def killed(node: Node, monkeypatch: pytest.MonkeyPatch, moment: str, *names: str) -> None:
    """Publish names, end the process between swap and note, and begin anew; the source has nothing to give then."""
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, moment, _kill)
        with pytest.raises(Killed):
            await node.publish(*names)
    assert node.blocked(*names) == [*names]
    await node.switcher.close()
    await node.restart()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_list_in_force_stays_so_though_its_source_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    async def check(node: Node) -> None:
        await node.publish(A, B)
        await killed(node, monkeypatch, moment, A, B, C)
        assert (node.switcher.version, node.blocked(A, B, C)) == (2, [A, B, C])
        await node.publish(A, B, C)
        assert node.switcher.version == 2
        await node.publish(B)
        assert node.blocked(A, B, C) == [B]

    run(tmp_path, check)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_first_list_in_force_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    async def check(node: Node) -> None:
        await killed(node, monkeypatch, moment, A, B)
        assert (node.switcher.version, node.blocked(A, B)) == (1, [A, B])
        assert node.feeds["national"].state.accepted is not None

    run(tmp_path, check)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("is_pinned", [False, True])
def test_an_override_in_force_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, is_pinned: bool
) -> None:
    async def check(node: Node) -> None:
        await node.publish(A, B)
        if is_pinned:
            await node.switcher.roll_back(1, "")
        with monkeypatch.context() as patch:
            patch.setattr(FeedState, moment, _kill)
            with pytest.raises(Killed):
                await node.override(A)
        version = node.switcher.version
        assert node.blocked(A, B) == [B]
        await node.switcher.close()
        await node.restart()
        assert (node.switcher.version, node.blocked(A, B), node.holding()) == (version, [B], {A: True})

    run(tmp_path, check)


def test_a_version_that_was_gone_back_to_is_not_taken_for_what_came_last(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.publish(A)
        await node.publish(B)
        await node.switcher.roll_back(1, "")
        before = node.feeds["national"].state.accepted_digest
        await node.restart()
        assert node.blocked(A, B) == [A]
        assert node.feeds["national"].state.accepted_digest == before

    run(tmp_path, check)
