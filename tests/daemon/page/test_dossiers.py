"""Writing dossiers beside a daemon: what has changed, what fails and is tried again, what is no order's any more."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from blockd.daemon.page import dossiers
from blockd.daemon.page.dossier_files import DossierFiles, document_path, dossier_path
from blockd.daemon.page.dossiers import DossierService
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.orders import OrderKey
from blockd.settings import Settings
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, moment, order

NOON = moment("2026-11-24T12:00:00")
OWN = OrderKey(FEED, "", "order-1")
PATIENCE = 30.0  # seconds after which a test that waits for a condition has failed
PAGE = {"listen": {"public": {"http": ["127.0.0.1:1"]}}}


@pytest.fixture
def repository() -> Repository:
    return Repository(NOON)


@pytest.fixture
def node(tmp_path: Path, repository: Repository) -> Iterator[Node]:
    made = Node(tmp_path, repository.root, NOON.timestamp() + 10)
    yield made
    made.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what a thread writes sets no event
            await asyncio.sleep(0.001)


def serve(node: Node, use: Callable[[Path], Awaitable[None]]) -> None:
    """Run the service beside a node while `use` looks at the folder that it writes."""

    async def run() -> None:
        state = StateDir(node.state)
        made = Settings.model_validate({"feeds": [], **PAGE})
        service = DossierService(made, state, node.recorder, lambda: node.before, Timing())
        running = asyncio.create_task(service.run())
        try:
            await use(state.incidents)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def turns(folder: Path) -> list[str]:
    try:
        return [turn["state"] for turn in json.loads(dossier_path(folder, OWN).read_bytes())["history"]]
    except OSError:
        return []


def test_it_follows_orders_and_their_states(node: Node, repository: Repository) -> None:
    lasting = order("order-1", ["listed.example"], expires="2026-11-24T12:30:00Z")
    node.enforce(repository.publish({"order-1": lasting}, {"media-1": order("media-1", ["video.example"])}))

    async def use(folder: Path) -> None:
        await until(lambda: turns(folder) == ["in force"])
        await until(lambda: document_path(folder, OrderKey(FEED, "media", "media-1")).exists())
        assert node.before is not None
        verdict = node.before.standing(node.before.ruleset.catalogue.find("order-1")[0])
        dossier = DossierFiles(folder).dossier(verdict)
        assert dossier is not None
        assert DossierFiles(folder).document(verdict, dossier) == json.dumps(lasting).encode()
        node.pass_time(3600.0)
        await until(lambda: turns(folder) == ["in force", "expired"])
        node.enforce(repository.publish({"order-1": lasting}))
        await until(lambda: not dossier_path(folder, OrderKey(FEED, "media", "media-1")).exists())
        await until(lambda: not document_path(folder, OrderKey(FEED, "media", "media-1")).exists())
        assert dossier_path(folder, OWN).exists()

    serve(node, use)


def test_signatures_that_cannot_be_verified_are_not_shown_and_told_once(
    node: Node, repository: Repository, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    root = node.root.read_bytes()
    node.root.write_bytes(Repository(NOON).root)
    monkeypatch.setattr(dossiers, "AGAIN", 0.01)
    caplog.set_level(logging.WARNING)

    async def use(folder: Path) -> None:
        await until(lambda: turns(folder) == ["in force"])
        told = json.loads(dossier_path(folder, OWN).read_bytes())
        assert (told["signatures"], told["sha256"]) == ([], "")
        node.root.write_bytes(root)
        await until(lambda: json.loads(dossier_path(folder, OWN).read_bytes())["signatures"])

    serve(node, use)
    warnings = [record.getMessage() for record in caplog.records if "signatures" in record.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"The pages about orders lack histories and signatures: feed {FEED}: ")


def test_without_a_page_about_orders_nothing_is_written(node: Node, repository: Repository) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))

    state = StateDir(node.state)
    service = DossierService(
        Settings.model_validate({"feeds": []}), state, node.recorder, lambda: node.before, Timing()
    )
    asyncio.run(asyncio.wait_for(service.run(), PATIENCE))  # it ends at once
    assert list(state.incidents.rglob("*")) == []


def test_a_dossier_of_another_version_of_an_order_has_the_history_alone(node: Node, repository: Repository) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))

    async def use(folder: Path) -> None:
        await until(lambda: turns(folder) == ["in force"])
        octets = dossier_path(folder, OWN).read_bytes()
        changed = order("order-1", ["listed.example"], summary="Changed.")
        node.enforce(repository.publish({"order-1": changed}))
        await until(lambda: dossier_path(folder, OWN).read_bytes() != octets)
        dossier_path(folder, OWN).write_bytes(octets)
        assert node.before is not None
        verdict = node.before.standing(node.before.ruleset.catalogue.find("order-1")[0])
        files = DossierFiles(folder)
        dossier = files.dossier(verdict)
        assert dossier is not None
        assert dossier.history
        assert (dossier.signatures, dossier.is_kept, files.document(verdict, dossier)) == ((), False, None)
        for damage in (b"", b"{", b"[]", b"7" * 200_000):
            dossier_path(folder, OWN).write_bytes(damage)
            assert files.dossier(verdict) is None

    serve(node, use)
